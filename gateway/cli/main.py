"""`wfm-gateway`: finds the command by name, loads only that one, and says what went wrong in one sentence."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from gateway import __version__
from gateway.cli.shown import shown
from gateway.reasons import ConfigError

_COMMANDS: Final = {
    "serve": "Verify the signature of every request and forward what holds.",
    "reload": "Let a running gateway read its configuration again.",
    "check": "Validate a configuration file and print what it means.",
    "health": "Ask a running gateway how it stands, for probes.",
    "clients": "Add, import, list, rotate and revoke the clients that may call.",
    "store": "Examine a store, back a registry up, or move it to another store.",
    "sign": "Sign a request as a device does, and print or send it.",
    "explain": "Show step by step what the gateway sees in a request.",
    "fleet": "Simulate a fleet of devices against a gateway, and time every answer.",
    "bench": "Measure what verification costs here, and how many devices a core carries.",
    "demo": "Run a gateway, a WFM and a fleet of devices on this machine.",
}
_OPERATOR_ERROR: Final = 2
_INTERRUPTED: Final = 130


class _Commands(click.Group):
    """Imports a command when it is called; its name and its line of help stand here, so that --help imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wfm-gateway")
def group() -> None:
    """Verifies the HTTP message signature of every device in front of a Margo Workload Fleet Manager.

    Try it: wfm-gateway demo
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status: 0 done, 1 the answer is no, 2 a mistake of the operator, 130 interrupted."""
    try:
        status = group.main(list(arguments), prog_name="wfm-gateway", standalone_mode=False)
    except ConfigError as error:
        _say(error.message)
        return _OPERATOR_ERROR
    except click.ClickException as error:
        error.show()
        return _OPERATOR_ERROR
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except ImportError as error:
        if "_native" not in f"{error.name} {error.path}":
            raise
        # Missing, or made for another Python or another machine.
        _say(f"the native module does not load ({error}): install the gateway again with `pip install .`")
        return _OPERATOR_ERROR
    return status if isinstance(status, int) else 0


def _say(sentence: str) -> None:
    click.echo(f"wfm-gateway: {shown(sentence)}", err=True)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
