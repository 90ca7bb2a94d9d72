"""The command line itself: what is loaded when, and one sentence for everything that goes wrong."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gateway import __version__
from gateway.cli import main
from gateway.reasons import ConfigError, Reason

PROGRAM = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


def test_help_names_every_command_without_loading_any() -> None:
    program = (
        "import sys; from gateway.cli.main import run; status = run(['--help'])\n"
        "loaded = [name for name in sys.modules if name.startswith(('gateway.cli.', 'redis', 'cryptography', 'aiohttp'))]\n"
        "print(status, sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in ("serve", "check", "clients", "sign", "explain", "demo"):
        assert f"\n  {name} " in done.stdout
    assert done.stdout.splitlines()[-1] == "0 ['gateway.cli.main', 'gateway.cli.shown']"


@pytest.mark.parametrize("name", ["serve", "check", "clients", "store", "sign", "explain", "demo"])
def test_every_command_can_be_loaded_and_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"wfm-gateway {name}" in shown
    if name not in ("clients", "store"):  # its own commands have them
        assert "Example" in shown


@pytest.mark.parametrize(
    "name",
    ["add", "import", "list", "show", "remove", "revoke", "retire", "approve", "rotate", "history"],
)
def test_every_clients_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["clients", name, "--help"]) == 0
    examples = capsys.readouterr().out.partition("Example:\n")[2]
    assert f"    wfm-gateway clients {name} " in examples


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"wfm-gateway, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["clients", "nonsense"], ["clients", "list", "--nonsense"]])
def test_a_mistake_on_the_command_line_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 2
    assert "nonsense" in capsys.readouterr().err


class Failing(click.Command):
    """A command that only fails."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("failing")
        self._error = error

    def invoke(self, ctx: click.Context) -> None:
        raise self._error


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    monkeypatch.setattr(main.group, "get_command", lambda ctx, name: Failing(error))
    return main.run(["serve"])


def test_a_configuration_error_is_one_sentence_without_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ConfigError(Reason.CONFIG_INVALID, "the file 'a\x1b[31m\nb' is wrong")
    assert fail(monkeypatch, error) == 2
    assert capsys.readouterr().err == "wfm-gateway: the file 'a\\x1b[31m\\nb' is wrong\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    assert fail(monkeypatch, error) == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'gateway._native'", name="gateway._native"),
        ImportError("undefined symbol: PyX", name="gateway._native", path="/x/_native.cpython-311-x86_64-linux-gnu.so"),
    ],
)
def test_a_native_module_that_is_missing_or_does_not_fit_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: ImportError
) -> None:
    assert fail(monkeypatch, error) == 2
    said = capsys.readouterr().err
    assert said.startswith("wfm-gateway: the native module does not load")
    assert said.count("\n") == 1


def test_any_other_missing_module_is_a_defect_and_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        fail(monkeypatch, ModuleNotFoundError("No module named 'x'", name="x"))


def test_a_native_module_that_is_not_one_is_one_sentence_in_a_real_process(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['gateway._native'] = None\n"  # what an import finds when there is none
        "from gateway.cli.main import main; main()"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "serve",
            "--upstream",
            "http://127.0.0.1:9",
            "--public-url",
            "http://localhost",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert done.returncode == 2
    assert "native module" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_in_a_real_process_is_quiet(tmp_path: Path) -> None:
    # The store is a socket where nobody answers, so that the command waits.
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        # A shell that runs tests in the background lets its children ignore SIGINT; a user's does not.
        listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        program = [*PROGRAM[:-1], listening + PROGRAM[-1]]
        with subprocess.Popen(
            [*program, "clients", "list", "--store", f"unix://{path}"], stderr=subprocess.PIPE, text=True
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)  # it waits for the answer now
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
            assert process.stderr is not None
            assert process.stderr.read().strip() == ""
