"""The options that say which store a command works on, and the opening of it."""

import contextlib
import getpass
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from gateway.cli.shown import shown
from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.registry.store import Store
    from gateway.registry.store_url import StoreTarget

DEFAULT_REALM = "default"
F = TypeVar("F", bound=Callable[..., Any])


class Resolved(msgspec.Struct, frozen=True):
    """Which store is meant, and the realm to work in."""

    target: "StoreTarget"
    realm: str


def store_options(function: F) -> F:
    """Give a command --store, -c and --realm; `resolve` takes what they say."""
    for option in (
        click.option(
            "--realm", metavar="NAME", help="Realm of the clients.  [default: that of the file, or `default`]"
        ),
        click.option(
            "-c",
            "--config",
            type=click.Path(path_type=Path),
            help="Configuration file whose store and realm are meant.",
        ),
        click.option(
            "--store",
            metavar="URL",
            help="embedded:DIR, unix:///path, redis://, redis+sentinel://, redis+cluster:// (rediss for TLS).  "
            "[default: embedded:data]",
        ),
    ):
        function = option(function)
    return function


def resolve(url: str | None, config: Path | None, realm: str | None) -> Resolved:
    """What the options of `store_options` mean.

    :raises ConfigError: config.invalid, config.unreadable
    """
    from gateway.registry.keys import is_realm
    from gateway.registry.store_url import parse
    from gateway.registry.targets import admin_target

    if config is None:
        from gateway.config.store import Store as StoreSection

        resolved = Resolved(parse(url or StoreSection().url), realm or DEFAULT_REALM)
    elif url is None:
        from gateway.config import load

        loaded = load(config)
        resolved = Resolved(admin_target(loaded.store), realm or loaded.policy.realm)
    else:
        raise ConfigError(Reason.CONFIG_INVALID, "give either --store URL or -c FILE, not both")
    if not is_realm(resolved.realm):
        raise ConfigError(
            Reason.CONFIG_INVALID, f"the realm {resolved.realm!r} is not 1 to 128 of A-Z a-z 0-9 . _ ~ = -"
        )
    return resolved


@contextlib.contextmanager
def open_store(resolved: Resolved, create: bool = False) -> Iterator["Store"]:
    """Open the store for administration. An embedded one is shared with the gateway that runs it, or started for the
    moment.

    :param create: make an embedded store that does not exist
    :raises ConfigError: config.store_unreachable
    """
    from gateway.registry import embedded
    from gateway.registry.store import Store
    from gateway.registry.store_url import EmbeddedStore

    target = resolved.target
    with contextlib.ExitStack() as stack:
        if isinstance(target, EmbeddedStore):
            target = stack.enter_context(embedded.attach_or_start(target, create))
        elif target.plain_remote:
            click.echo(f"wfm-gateway: warning: {shown(str(target))} crosses the network without TLS (unsafe)", err=True)
        yield stack.enter_context(Store.connect(target, f"cli:{_user()}"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())
