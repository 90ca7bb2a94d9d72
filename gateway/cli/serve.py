"""`wfm-gateway serve`: run the gateway with a configuration file or with flags."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.reasons import ConfigError, Reason

if TYPE_CHECKING:
    from gateway.config import Config

_EPILOG = """\b
Examples:
  wfm-gateway serve -c gateway.toml
  wfm-gateway serve --listen 127.0.0.1:8080 --upstream http://127.0.0.1:9000 \\
      --public-url https://wfm.example.com --store embedded:./data
"""


@click.command(epilog=_EPILOG)
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.option("--listen", metavar="HOST:PORT", help="Where devices or the load balancer connect.")
@click.option("--upstream", metavar="URL", help="The WFM behind the gateway: http://, https:// or unix:///path.")
@click.option("--public-url", metavar="URL", help="Scheme and authority that devices sign.")
@click.option("--store", metavar="URL", help="embedded:DIR, unix://, redis:// or rediss://.  [default: embedded:data]")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes.  [default: one per core]")
@click.option(
    "--trusted-proxy", "trusted_proxies", metavar="NETWORK", multiple=True, help="May be given several times."
)
@click.option("--profile", type=click.Choice(["margo", "generic"]), help="Route table.  [default: margo]")
@click.option("--base-path", metavar="PATH", help="Prefix in front of /api/v1, such as /v1alpha2/margo.")
def command(
    file: Path | None,
    listen: str | None,
    upstream: str | None,
    public_url: str | None,
    store: str | None,
    workers: int | None,
    trusted_proxies: tuple[str, ...],
    profile: str | None,
    base_path: str | None,
) -> None:
    """Verify the signature of every request and forward what holds.

    Settings come from a file or, for a first try, from the flags; SIGTERM and Ctrl-C finish what has begun.
    """
    from gateway.config import from_flags, load

    given = [listen, upstream, public_url, store, workers, profile, base_path, *trusted_proxies]
    if file is not None:
        if any(value is not None for value in given):
            raise ConfigError(Reason.CONFIG_INVALID, "give either -c FILE or the other flags, not both")
        config = load(file)
    else:
        if upstream is None:
            raise ConfigError(Reason.CONFIG_INVALID, "--upstream is missing: give -c FILE, or at least --upstream URL")
        config = from_flags(upstream, listen, public_url, store, workers, trusted_proxies, profile, base_path)
    run(config)


def run(config: "Config") -> None:
    """Serve until a signal.

    :raises ConfigError: what keeps the gateway from serving
    """
    from gateway.proxy.supervisor import supervise

    asyncio.run(supervise(config, _say, lambda: announce(config)))


def announce(config: "Config") -> None:
    """Tell what is served, from where, and what is unsafe about it."""
    from gateway.config import warnings
    from gateway.config.store import without_password
    from gateway.signature import engines

    count = config.worker_count
    public = config.listen.public_url or _sources(config)
    for line in (
        f"listening on  {config.listen.address}",
        f"devices sign  {public}",
        f"profile       {config.policy.profile}{_at(config.policy.base_path)}",
        f"store         {without_password(config.store.url)}",
        *_upstreams(config),
        f"workers       {count}, {config.listen.plane} plane",
        *([] if config.admin.address is None else [f"admin API     {config.admin.address}"]),
        *_engines(engines.choose(config.engine, config.source).described()),
    ):
        _say(line)
    for warning in warnings(config):
        _say(f"WARNING: {warning}")
    _say("ready")


def _sources(config: "Config") -> str:
    """Where scheme and authority come from without a public URL (R7)."""
    proxies = ", ".join(config.listen.trusted_proxies)
    own = "https and Host" if config.listen.tls_cert is not None else ""
    return " or ".join(([f"as forwarded by {proxies}"] if proxies else []) + ([own] if own else []))


def _upstreams(config: "Config") -> Iterator[str]:
    """One line for each upstream, with its servers and what it is for."""
    for upstream in config.upstreams:
        servers = ", ".join(server.url for server in upstream.backends)
        where = f" for {', '.join(upstream.prefixes)}" if upstream.prefixes else ""
        several = f" ({upstream.balance})" if len(upstream.backends) > 1 else ""
        name = f"{upstream.name}: " if config.more_upstreams else ""
        yield f"upstream      {name}{servers}{several}{where}"


def _engines(described: dict[str, str]) -> Iterator[str]:
    """One line for each engine, with the kinds of keys that it verifies."""
    kinds: dict[str, list[str]] = {}
    for kind, name in described.items():
        kinds.setdefault(name, []).append(kind)
    for index, (name, of) in enumerate(kinds.items()):
        yield f"{'' if index else 'engines':<13} {', '.join(of)}: {name}"


def _at(base_path: str) -> str:
    return f" under {base_path}" if base_path else ""


def _say(line: str) -> None:
    click.echo(f"wfm-gateway: {line}", err=True)
