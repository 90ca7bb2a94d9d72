"""`wfm-gateway reload`: let a running gateway read its configuration again, and tell how that ended."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.proxy.run_file import Note, RunFile

_POLL_S = 0.05

_EPILOG = """\b
Examples:
  wfm-gateway reload -c gateway.toml
  wfm-gateway reload -c gateway.toml --workers     (after an upgrade of the package)

Exit status: 0 done, 1 the gateway refused and goes on as before, 2 there is none, or the file is bad.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), required=True, help="The file that it was started with."
)
@click.option("--workers", is_flag=True, help="Only replace every worker process, one after the other.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=120, show_default=True, help="Seconds to wait.")
def command(file: Path, workers: bool, timeout: int) -> int:
    """Let a running gateway read its configuration again.

    The file is checked first; a bad one changes nothing. New workers take over one after the other on the same
    sockets, and the old ones finish what they have begun: no request is lost. SIGHUP to the gateway does the same.
    """
    from gateway.config import load
    from gateway.proxy.run_file import RunFile

    config = load(file)
    run_file = RunFile(config.data_dir)
    note = _read(run_file, f"no gateway runs with {file}: there is none in {config.data_dir}")
    try:
        os.kill(note.pid, signal.SIGUSR2 if workers else signal.SIGHUP)
    except PermissionError:
        why = f"process {note.pid} belongs to another user: run this as that user, or as root"
        raise ConfigError(Reason.CONFIG_INVALID, why) from None
    outcome = _wait(run_file, note, timeout).outcome
    click.echo(outcome.message)
    return 0 if outcome.done else 1


def _wait(run_file: "RunFile", before: "Note", timeout_s: int) -> "Note":
    """The note after the reload that was asked for."""
    from rich.console import Console

    deadline = time.monotonic() + timeout_s
    with Console(stderr=True).status("new workers take over"):
        while time.monotonic() < deadline:
            note = _read(run_file, "the gateway ended before it had read its configuration again")
            if note.outcome.serial > before.outcome.serial:
                return note
            time.sleep(_POLL_S)
    raise ConfigError(Reason.CONFIG_INVALID, f"the gateway has not finished within {timeout_s} s; its log tells why")


def _read(run_file: "RunFile", otherwise: str) -> "Note":
    """The note of a gateway that runs, also while it is being written."""
    while run_file.held:
        note = run_file.read()
        if note is not None:
            return note
        time.sleep(_POLL_S)
    raise ConfigError(Reason.CONFIG_INVALID, otherwise)
