"""`wfm-gateway health`: ask a running gateway how it stands, for container probes and for people."""

import http.client
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.shown import shown
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.config import Address

_EPILOG = """\b
Examples:
  wfm-gateway health
  wfm-gateway health -c gateway.toml --live
  HEALTHCHECK CMD ["wfm-gateway", "health", "--address", "127.0.0.1:9909"]

Exit status: 0 yes (degraded counts as ready), 1 no or no answer, 2 a mistake in the command or the file.
"""


@click.command(epilog=_EPILOG)
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="Whose observe.address is asked.")
@click.option(
    "--address", metavar="HOST:PORT", help="Where the private listener is, or unix:/path.  [default: 127.0.0.1:9909]"
)
@click.option("--ready", "question", flag_value="readyz", default="readyz", help="Should it get requests?  [default]")
@click.option("--live", "question", flag_value="livez", help="Does it run, whatever else?")
@click.option("--started", "question", flag_value="startupz", help="Has it come to serve?")
@click.option("--timeout", type=click.FloatRange(0.1, 60.0), default=2.0, show_default=True, help="Seconds to wait.")
def command(file: Path | None, address: str | None, question: str, timeout: float) -> int:
    """Ask a running gateway how it stands: one line, and the exit status.

    It asks the private listener of [observe].
    """
    where = _where(file, address)
    try:
        status, told = _ask(where, question, timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
        click.echo(f"no answer from {_text(where)}: {shown(why)}")
        return 1
    word = str(told.get("status", "?")).replace("_", " ")
    details = "; ".join(f"{one['reason']}: {one['detail']}" for one in told.get("reasons", ()))
    click.echo(shown(f"{word}: {details}" if details else word))
    return 0 if status == 200 else 1


def _where(file: Path | None, address: str | None) -> "Address":
    from gateway.config.address import read_address
    from gateway.config.observe import DEFAULT

    if file is not None and address is not None:
        raise ConfigError(Reason.CONFIG_INVALID, "give either -c FILE or --address, not both")
    if file is not None:
        from gateway.config import load

        bind = load(file).observe.bind
        if bind is None:
            raise ConfigError(Reason.CONFIG_INVALID, f'{file}: observe.address is "off", so nobody can be asked')
        return bind
    found = read_address(address or DEFAULT)
    if found is None:
        raise ConfigError(Reason.CONFIG_INVALID, f"--address: got {address}, wanted HOST:PORT or unix:/path")
    return found


def _ask(where: "Address", question: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
    connection = _Connection(where, timeout_s)
    try:
        connection.request("GET", f"/{question}", headers={"Host": "localhost"})
        answer = connection.getresponse()
        told = json.loads(answer.read(65_536))
        if not isinstance(told, dict):
            raise ValueError("this is not a wfm-gateway")
        return answer.status, told
    except json.JSONDecodeError:
        raise ValueError("this is not a wfm-gateway") from None
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To a TCP port or a unix socket."""

    def __init__(self, where: "Address", timeout_s: float) -> None:
        # Whoever listens on every address is asked on this machine's own.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(where.host, where.host)
        super().__init__(host or "localhost", where.port or None, timeout=timeout_s)
        self._path = where.path

    def connect(self) -> None:
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _text(where: "Address") -> str:
    return where.path or (f"[{where.host}]:{where.port}" if ":" in where.host else f"{where.host}:{where.port}")
