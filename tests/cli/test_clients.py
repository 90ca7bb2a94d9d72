"""`wfm-gateway clients` against a real embedded store: each command, its text and JSON, its exit status."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main, progress
from gateway.cli.shown import shown
from gateway.registry import embedded, embedded_process
from gateway.registry.embedded_files import Files
from gateway.registry.moments import moment
from gateway.registry.store_url import EmbeddedStore
from tests.support import certificates as made

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one `clients` command in an empty folder, on the store `embedded:data` there; status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.run(["clients", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_one


def certificate(path: Path, name: str = "device", not_after: int = 4_000_000_000) -> Path:
    path.write_bytes(made.pem(made.certificate(made.p256_spki(), name, not_after=not_after)))
    return path


def test_the_life_of_a_client(run: Run, tmp_path: Path) -> None:
    first, second = certificate(tmp_path / "first.pem"), certificate(tmp_path / "second.pem")
    assert run("add", "--id", "dev1", "--cert", str(first)) == (0, "dev1: added with a p256 (256 bits) key\n", "")
    assert run("add", "--id", "dev1", "--cert", str(first))[:2] == (
        0,
        "dev1: registered with this certificate already\n",
    )
    status, out, err = run("add", "--id", "dev2", "--cert", str(first))
    assert (status, out, err) == (1, "", "dev2: the key belongs to client dev1 already: one key, one client\n")
    status, _, err = run("add", "--id", "dev1", "--cert", str(second))
    assert status == 1
    assert "--replace" in err
    assert run("add", "--id", "dev1", "--cert", str(second), "--beside")[0] == 0
    assert run("remove", "dev1", "--reason", "sold") == (0, "dev1: removed\n", "")
    assert run("add", "--id", "dev1", "--cert", str(first))[0] == 1
    assert run("add", "--id", "dev1", "--cert", str(first), "--lift", "--no-covered-digest")[0] == 0
    assert json.loads(run("show", "dev1", "--json")[1])["require_covered_digest"] is False
    assert run("add", "--id", "dev1", "--cert", str(first), "--covered-digest")[0] == 0
    assert json.loads(run("show", "dev1", "--json")[1])["require_covered_digest"] is True
    assert run("add", "--id", "dev1", "--cert", str(second), "--replace", "--lift")[0] == 0
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert not embedded_process.runs(Files(tmp_path / "data"))


def test_show(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dev1.pem").write_bytes(made.OPENSSL_V1_PEM)
    run("add", "--id", "dev1", "--cert", "dev1.pem", "--realm", "plant")
    status, out, _ = run("show", "dev1", "--realm", "plant")
    assert status == 0
    for line in (
        "client          dev1",
        "realm           plant",
        "covered digest  as the policy says",
        "subject         CN=dev",
        "key             p256",
        f"keyid           {made.OPENSSL_V1_KEYID}",
        "valid           2026-11-22T00:15:29Z to 2026-12-22T00:15:29Z",
    ):
        assert line in out
    entry = json.loads(run("show", "dev1", "--realm", "plant", "--json")[1])
    assert (entry["id"], entry["realm"], entry["status"]) == ("dev1", "plant", "active")
    (known,) = entry["certificates"]
    assert known["spki_sha256"] == made.OPENSSL_V1_KEYID
    assert (known["subject"], known["key_type"], known["bits"]) == ("CN=dev", "p256", 256)
    assert known["pem"].encode() == made.OPENSSL_V1_PEM


def test_r3_show_looks_into_its_own_realm_only(run: Run, tmp_path: Path) -> None:
    certificate(tmp_path / "dev1.pem")
    run("add", "--id", "dev1", "--cert", "dev1.pem", "--realm", "plant")
    assert run("show", "dev1") == (1, "", "there is no client dev1 in realm default\n")


def test_list(run: Run, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        certificate(tmp_path / f"{name}.pem", not_after=1_600_000_000)
        run("add", "--id", name, "--cert", f"{name}.pem")
    run("remove", "c")
    status, out, err = run("list")
    assert status == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["ID", "STATUS", "KEY"],
        ["a", "active", "p256"],
        ["b", "active", "p256"],
        ["c", "removed", "p256"],
    ]
    assert out.count("2020-09-13T12:26:40Z (expired)") == 3
    assert err == "3 clients in realm default\n"
    lines = [json.loads(line) for line in run("list", "--json")[1].splitlines()]
    assert {line["id"]: line["status"] for line in lines} == {"a": "active", "b": "active", "c": "tombstone"}
    assert run("list", "--realm", "empty") == (0, "", "0 clients in realm empty\n")
    assert run("list", "--realm", "empty", "--json") == (0, "", "")


def test_the_answer_no_is_status_1(run: Run, tmp_path: Path) -> None:
    certificate(tmp_path / "dev1.pem")
    run("add", "--id", "dev1", "--cert", "dev1.pem")
    assert run("show", "nobody")[0] == 1
    assert run("remove", "nobody") == (1, "", "nobody: there is no client nobody\n")
    assert run("remove", "dev1", "--json")[0] == 0
    status, out, _ = run("remove", "dev1", "--json")
    assert status == 1
    assert json.loads(out) == {
        "id": "dev1",
        "realm": "default",
        "outcome": "id_removed",
        "message": "client dev1 was removed already",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add"], "give --id ID and --cert FILE, or --from DIR"),
        (["add", "--id", "x"], "give --id ID and --cert FILE, or --from DIR"),
        (["add", "--id", "x", "--cert", "good.pem", "--from", "."], "give --id ID and --cert FILE, or --from DIR"),
        (["add", "--id", "x", "--cert", "good.pem", "--replace", "--beside"], "exclude each other"),
        (["add", "--id", "x", "--cert", "none.pem"], "none.pem cannot be read: No such file"),
        (["add", "--id", "x", "--cert", "bad.pem"], "bad.pem is neither PEM, nor DER"),
        (["add", "--id", "x/y", "--cert", "good.pem"], "the client id 'x/y' is not"),
        (["add", "--id", "x", "--cert", "good.pem", "--realm", "a:b"], "the realm 'a:b' is not"),
        (["add", "--from", "none"], "none cannot be read"),
        (["add", "--from", "empty"], "holds no ID.pem"),
        (["list"], "there is no embedded store at"),
        (["list", "--store", "ftp://x"], "scheme 'ftp' is unknown"),
        (["list", "--store", "redis://127.0.0.1:1"], "cannot be reached"),
        (["list", "--store", "embedded:x", "-c", "x.toml"], "not both"),
        (["list", "-c", "none.toml"], "none.toml"),
        (["show", "x/y"], "the client id 'x/y' is not"),
        (["remove", "x/y"], "the client id 'x/y' is not"),
    ],
)
def test_an_operators_mistake_is_status_2_and_one_sentence(
    run: Run, tmp_path: Path, arguments: list[str], says: str
) -> None:
    certificate(tmp_path / "good.pem")
    (tmp_path / "bad.pem").write_text("hello!")
    (tmp_path / "empty").mkdir()
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "data").exists()  # a mistake leaves no store behind


def test_r27_a_configuration_file_gives_store_and_realm_and_paths_resolve_against_it(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "gateway.toml").write_text(
        '[listen]\npublic_url = "https://wfm.example.com"\n[upstream]\nurl = "http://127.0.0.1:9000"\n'
        '[store]\nurl = "embedded:./store"\n[policy]\nrealm = "plant"\n'
    )
    certificate(tmp_path / "dev1.pem")
    assert run("add", "--id", "dev1", "--cert", "dev1.pem", "-c", "etc/gateway.toml")[0] == 0
    assert (folder / "store").is_dir()
    assert json.loads(run("list", "--json", "--store", "embedded:etc/store", "--realm", "plant")[1])["id"] == "dev1"
    assert run("list", "--json", "-c", "etc/gateway.toml", "--realm", "other")[1] == ""


def test_r27_a_plain_store_on_another_machine_is_said_to_be_unsafe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.registry.store_client.TIMEOUT_S", 0.2)
    status, _, err = run("list", "--store", "redis://:sesame@192.0.2.1:6379")
    assert status == 2
    assert "crosses the network without TLS (unsafe)" in err
    assert "sesame" not in err


def test_it_works_while_the_gateway_runs(run: Run, tmp_path: Path) -> None:
    certificate(tmp_path / "dev1.pem")
    server = embedded.Server(EmbeddedStore(tmp_path / "data"))
    server.start()
    assert run("add", "--id", "dev1", "--cert", "dev1.pem")[0] == 0
    assert server.alive()
    assert run("list")[1].splitlines()[1].startswith("dev1")
    server.stop()
    assert run("list")[1].splitlines()[1].startswith("dev1")


# A folder


def folder_of(path: Path, count: int) -> Path:
    path.mkdir()
    for number in range(count):
        certificate(path / f"dev{number}.pem")
    return path


def test_a_folder_is_registered_under_the_names_of_its_files(run: Run, tmp_path: Path) -> None:
    folder_of(tmp_path / "certs", 3)
    (tmp_path / "certs" / "a.b~c.crt").write_bytes(made.certificate(made.p256_spki()))
    (tmp_path / "certs" / "notes.txt").write_text("x")
    (tmp_path / "certs" / "below.pem").mkdir()
    assert run("add", "--from", "certs") == (0, "4 added, 1 other file ignored\n", "")
    ids = [json.loads(line)["id"] for line in run("list", "--json")[1].splitlines()]
    assert sorted(ids) == ["a.b~c", "dev0", "dev1", "dev2"]
    assert run("add", "--from", "certs")[:2] == (0, "4 unchanged, 1 other file ignored\n")


def test_every_file_that_is_not_taken_is_reported(run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "certs", 2)
    (folder / "copy.pem").write_bytes((folder / "dev0.pem").read_bytes())
    (folder / "bad id.pem").write_bytes(made.OPENSSL_V1_PEM)
    (folder / "junk.pem").write_text("hello!")
    (folder / "key.pem").write_bytes(made.pem(b"x", "PRIVATE KEY"))
    certificate(folder / "old.pem", not_after=1_600_000_000)
    status, out, err = run("add", "--from", "certs")
    assert status == 1
    assert out == "3 added, 3 rejected, 1 key taken\n"
    assert sorted(err.splitlines()) == [
        "bad id.pem: the client id 'bad id' is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -",
        "dev0.pem: the key belongs to client copy already: one key, one client",
        "junk.pem: is neither PEM, nor DER, nor base64 of either",
        "key.pem: holds a private key: give the certificate alone, and keep the key on the device",
        "old.pem: added with a p256 (256 bits) key; its certificate expired at 2020-09-13T12:26:40Z",
    ]


def test_a_folder_as_json(run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "certs", 1)
    (folder / "junk.pem").write_text("hello!")
    status, out, err = run("add", "--from", "certs", "--json")
    lines = {line["file"]: line for line in map(json.loads, out.splitlines())}
    assert status == 1
    assert lines["dev0.pem"]["outcome"] == "added"
    assert lines["junk.pem"] == {
        "file": "junk.pem",
        "id": "junk",
        "outcome": "rejected",
        "message": "is neither PEM, nor DER, nor base64 of either",
    }
    assert err == "1 added, 1 rejected\n"


def test_options_hold_for_every_file_of_a_folder(run: Run, tmp_path: Path) -> None:
    folder_of(tmp_path / "certs", 2)
    run("add", "--from", "certs")
    run("remove", "dev0")
    assert run("add", "--from", "certs")[0] == 1
    assert run("add", "--from", "certs", "--lift", "--no-covered-digest")[:2] == (0, "1 lifted, 1 updated\n")
    lines = [json.loads(line) for line in run("list", "--json")[1].splitlines()]
    assert [line["require_covered_digest"] for line in lines] == [False, False]


def test_a_bar_appears_on_a_terminal_when_it_takes_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "certs", 3)
    assert "registering" not in run("add", "--from", "certs")[2]
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    assert "registering" not in run("add", "--from", "certs")[2]  # not a terminal
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "registering" in run("add", "--from", "certs")[2]


# What devices and file names supply


def test_r29_what_a_device_wrote_into_its_certificate_is_escaped(run: Run, tmp_path: Path) -> None:
    certificate(tmp_path / "dev1.pem", "[red]x\x1b[31m\u202e\n")
    run("add", "--id", "dev1", "--cert", "dev1.pem")
    _, out, _ = run("show", "dev1")
    assert "[red]x\\x1b[31m\\u202e" in out
    assert not any(char in out for char in "\x1b\u202e")
    run("remove", "dev1", "--reason", "a\x1b[2Jb")
    assert "a\\x1b[2Jb" in run("show", "dev1")[1]


def test_r29_a_file_name_is_escaped(run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "certs", 1)
    (folder / "x\x1b[31m.pem").write_text("x")
    _, _, err = run("add", "--from", "certs")
    assert "\x1b" not in err
    assert "x\\x1b[31m.pem: the client id" in err


def test_shown_keeps_what_can_be_read() -> None:
    assert shown("Gerät 7, ключ [bold]") == "Gerät 7, ключ [bold]"
    assert shown("a\tb\r\n\x00\x7f\u200f") == "a\\tb\\r\\n\\x00\\x7f\\u200f"
    assert moment(0) == "1970-01-01T00:00:00Z"


def test_a_reader_that_leaves_early_is_no_trouble(run: Run, tmp_path: Path) -> None:
    folder_of(tmp_path / "certs", 40)
    run("add", "--from", "certs")
    program = "from gateway.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "clients", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as lister:
        assert lister.stdout is not None
        assert lister.stderr is not None
        lister.stdout.close()
        assert b"Traceback" not in lister.stderr.read()


def test_tenant_and_labels_are_kept_until_others_are_given(run: Run, tmp_path: Path) -> None:
    cert = ("add", "--id", "dev1", "--cert", str(certificate(tmp_path / "a.pem")))
    assert run(*cert, "--tenant", "plant-7", "--label", "line=3", "--label", "site=a=b")[0] == 0
    assert run(*cert)[0] == 0
    shown = json.loads(run("show", "dev1", "--json")[1])
    assert (shown["tenant"], shown["labels"]) == ("plant-7", {"line": "3", "site": "a=b"})
    assert run(*cert, "--label", "line=4")[0] == 0
    assert json.loads(run("show", "dev1", "--json")[1])["labels"] == {"line": "4"}
    for wrong in (("--tenant", "plant 7"), ("--label", "line"), ("--label", "a=1", "--label", "a=2")):
        assert run(*cert, *wrong)[0] == 2
