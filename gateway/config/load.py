"""Read a configuration file: TOML, typed, unknown keys refused with the nearest known one."""

import tomllib
from pathlib import Path
from typing import Any

from gateway.config import (
    admin,
    headers,
    limits,
    listen,
    observe,
    onboarding,
    policy,
    registry,
    route,
    store,
    upstream,
    verify,
)
from gateway.config.admin import Admin
from gateway.config.config import Config
from gateway.config.engine import Engine
from gateway.config.errors import Errors
from gateway.config.headers import Headers
from gateway.config.limits import Limits
from gateway.config.listen import Listen
from gateway.config.log import Log
from gateway.config.mistake import Mistake, wrong
from gateway.config.observe import Observe
from gateway.config.onboarding import Onboarding
from gateway.config.origin_url import REALM
from gateway.config.policy import Policy
from gateway.config.rate import Rate
from gateway.config.registry import Registry
from gateway.config.route import Route
from gateway.config.store import Store
from gateway.config.table import read_table, unknown_key
from gateway.config.unsafe import Unsafe
from gateway.config.upstream import Upstream
from gateway.config.verify import Verify
from gateway.reasons import ConfigError, Reason

SECTIONS: dict[str, type[Any]] = {
    "listen": Listen,
    "upstream": Upstream,
    "store": Store,
    "policy": Policy,
    "engine": Engine,
    "registry": Registry,
    "onboarding": Onboarding,
    "admin": Admin,
    "observe": Observe,
    "headers": Headers,
    "limits": Limits,
    "rate": Rate,
    "errors": Errors,
    "log": Log,
    "verify": Verify,
    "unsafe": Unsafe,
}
"""In the order in which they are printed."""


def load(path: Path) -> Config:
    """The configuration in the file at `path`; relative paths in it resolve against its folder (R27).

    :raises ConfigError: config.unreadable, invalid, no_authority, unsafe; the message begins with the file's name
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path}: cannot be read ({why})") from None
    except UnicodeDecodeError:
        raise ConfigError(Reason.CONFIG_INVALID, f"{path}: is not UTF-8 text") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(Reason.CONFIG_INVALID, f"{path}: is not valid TOML: {error}") from None
    try:
        return settle(document, path.absolute().parent, str(path))
    except Mistake as mistake:
        raise ConfigError(mistake.reason, f"{path}: {mistake}") from None


def settle(document: dict[str, Any], base: Path, source: str) -> Config:
    """Turn a document of sections into a checked configuration.

    :raises Mistake: the first thing that is wrong
    """
    names = (*SECTIONS, "route")
    for key, value in document.items():
        if key not in names:
            raise unknown_key("", key, names, SECTIONS)
        several = key == "upstream" and isinstance(value, list)
        if key != "route" and not several and not isinstance(value, dict):
            raise wrong(key, value, f"a table, written [{key}]")
    read: dict[str, Any] = {
        name: read_table(cls, document.get(name, {}), name, SECTIONS)
        for name, cls in SECTIONS.items()
        if cls is not Onboarding and cls is not Upstream
    }
    first, *more = _read_upstreams(document.get("upstream", {}), base)
    routes = _read_routes(document.get("route", []))
    config = Config(
        listen=listen.settle(read["listen"], base),
        upstream=first,
        more_upstreams=tuple(more),
        store=store.settle(read["store"], base),
        policy=policy.settle(read["policy"]),
        engine=read["engine"],
        registry=registry.settle(read["registry"], base),
        onboarding=onboarding.settle(onboarding.read(document.get("onboarding", {}), SECTIONS), base),
        admin=admin.settle(read["admin"], base),
        observe=observe.settle(read["observe"], base),
        headers=headers.settle(read["headers"]),
        limits=limits.settle(read["limits"], base),
        rate=read["rate"],
        errors=read["errors"],
        log=read["log"],
        verify=verify.settle(read["verify"]),
        unsafe=read["unsafe"],
        routes=routes,
        base_dir=str(base),
        source=source,
    )
    check_across(config)
    return config


def check_across(config: Config) -> None:
    """Check what concerns more than one section.

    :raises Mistake: config.invalid, no_authority, unsafe
    """
    if config.listen.public_url is None and not config.listen.trusted_proxies and config.listen.tls_cert is None:
        sentence = "missing, and listen.trusted_proxies is empty, so nothing says which authority devices sign"
        raise Mistake("listen.public_url", sentence, Reason.CONFIG_AUTHORITY)  # R7
    if config.listen.trusts_everyone and not config.unsafe.trust_everyone:
        sentence = "trusts every address; this needs [unsafe] trust_everyone = true in a configuration file"
        raise Mistake("listen.trusted_proxies", sentence, Reason.CONFIG_UNSAFE)  # R6
    if config.listen.hears_everyone and not config.unsafe.trust_everyone:
        sentence = "lets everybody name any address as its own; this needs [unsafe] trust_everyone = true in a file"
        raise Mistake("listen.proxy_protocol", sentence, Reason.CONFIG_UNSAFE)  # R6
    for key in ("trusted_proxies", "proxy_protocol"):
        if "unix" in getattr(config.listen, key) and not config.listen.bind.path:
            raise Mistake(f"listen.{key}", '"unix" only means something with a unix listen.address')
    if config.store.plain_remote and not config.unsafe.plain_remote_store:
        sentence = (
            "goes to another machine without TLS; use rediss://, or set [unsafe] plain_remote_store = true in a file"
        )
        raise Mistake("store.url", sentence, Reason.CONFIG_UNSAFE)  # R27
    if config.verify.path is not None and not config.listen.trusted_proxies:
        raise Mistake("verify.path", "nobody may ask: listen.trusted_proxies is empty")  # R6
    if config.admin.remote and not config.unsafe.plain_remote_admin:
        sentence = (
            "others than this machine can connect without TLS; use a loopback address or a unix socket, or set "
            "[unsafe] plain_remote_admin = true"
        )
        raise Mistake("admin.address", sentence, Reason.CONFIG_UNSAFE)  # R29
    body_limit, total = config.policy.body_limit_bytes, config.limits.spool_total_bytes
    if config.limits.spool_bytes < body_limit and total < body_limit:
        raise wrong("limits.spool_total_bytes", total, f"at least policy.body_limit_bytes, which is {body_limit}")
    if config.onboarding.mode != "off" and config.policy.profile == "generic":
        raise Mistake("onboarding.mode", 'profile "generic" has no onboarding route; it must be "off"')
    url = config.registry.origin_url
    if url is not None and REALM not in url.template and len(config.realms) > 1:  # R3
        raise Mistake("registry.origin", f"must have {REALM} in it, because there are {len(config.realms)} realms")
    if config.onboarding.rotation and config.policy.profile == "generic":
        raise Mistake("onboarding.rotation", 'profile "generic" has no route for it; it must be false')
    _check_routes(config)
    _check_modes(config)


def _check_routes(config: Config) -> None:
    if config.policy.profile != "generic":
        if config.routes:
            raise Mistake("route", f'[[route]] is for profile "generic" only, this is "{config.policy.profile}"')
        return
    if not config.routes:
        raise Mistake(
            "route", 'profile "generic" has no routes of its own; a configuration file must have at least one [[route]]'
        )
    for index, entry in enumerate(config.routes):
        route.settle(entry, f"route[{index}]", config.policy.keyid == "client-id")
    route.check_unique(config.routes)


def _check_modes(config: Config) -> None:
    section = config.policy
    for key, mode in config.modes:
        if mode == "passthrough" and not config.unsafe.passthrough:
            sentence = '"passthrough" forwards what nobody verified; this needs [unsafe] passthrough = true'
            raise Mistake(key, sentence, Reason.CONFIG_UNSAFE)  # R16
    if section.mode != "observe" and all(mode != "observe" for _, mode in config.modes):
        for key, default, value in (
            ("enforce_share", 0, section.enforce_share),
            ("observe_share", 100, section.observe_share),
        ):
            if value != default:
                raise Mistake(f"policy.{key}", 'means nothing, because no route has mode = "observe"')


def _read_upstreams(entry: Any, base: Path) -> tuple[Upstream, ...]:
    if not isinstance(entry, list):
        return (upstream.settle(upstream.read(entry, "upstream", SECTIONS), base),)
    entries = tuple(upstream.read(one, f"upstream[{index}]", SECTIONS) for index, one in enumerate(entry))
    return upstream.settle_all(entries, base)


def _read_routes(entries: Any) -> tuple[Route, ...]:
    if not isinstance(entries, list):
        raise wrong("route", entries, "tables, each written [[route]]")
    return tuple(read_table(Route, entry, f"route[{index}]", SECTIONS) for index, entry in enumerate(entries))
