"""The effective configuration as text: what `check` prints, with the defaults marked and without secrets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from gateway.config import store
from gateway.config.config import Config
from gateway.config.load import SECTIONS
from gateway.config.mistake import shown
from gateway.config.observe import DEFAULT
from gateway.config.onboarding import Authority, Onboarding
from gateway.config.route import Route
from gateway.config.store import Store, without_password
from gateway.config.upstream import Upstream


def effective(config: Config) -> str:
    """Every setting in the form of a configuration file; what was not set, or set to its default, is marked."""
    safe = without_secrets(config)
    lines: list[str] = []
    for name, cls in SECTIONS.items():
        if name == "upstream" and safe.more_upstreams:
            continue
        lines += [f"[{name}]", *_section(getattr(safe, name), _defaults(name, cls, config), _absent(config, name)), ""]
    for upstream in safe.upstreams if safe.more_upstreams else ():
        lines += ["[[upstream]]", *_section(upstream, Upstream(), {}), ""]
    for authority in safe.onboarding.ca:
        lines += ["[[onboarding.ca]]", *_section(authority, Authority(file=""), {}), ""]
    for route in safe.routes:
        lines += ["[[route]]", *_section(route, Route(path=""), {}), ""]
    return "\n".join(lines)


def without_secrets(config: Config) -> Config:
    """The same configuration with the passwords of the store's URLs blotted out."""
    section = config.store
    admin = None if section.admin_url is None else without_password(section.admin_url)
    return structs.replace(config, store=structs.replace(section, url=without_password(section.url), admin_url=admin))


def _section(section: Struct, defaults: Struct, absent: dict[str, str]) -> Iterator[str]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(section, Onboarding) and name == "ca":
            continue  # tables of their own, which come after the sections
        if value is None or (name == "url" and value == ""):
            yield f"# {name}: {absent.get(name, 'not set')}"
        elif value == getattr(defaults, name):
            yield f"{name} = {_toml(value)}  # default"
        else:
            yield f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, Struct):
        value = {name: item for name in value.__struct_fields__ if (item := getattr(value, name)) is not None}
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return shown(value, limit=None)


def _defaults(name: str, cls: type[Any], config: Config) -> Struct:
    if cls is Store:  # relative to the file, as the real one
        return store.settle(Store(), Path(config.base_dir))
    defaults: Struct = cls()
    return defaults


def _absent(config: Config, section: str) -> dict[str, str]:
    """What it means that a setting is not there."""
    meanings = {
        "listen": {
            "public_url": "not set, the authority is what a trusted proxy forwards"
            + ("" if config.listen.tls_cert is None else ", else Host"),
            "workers": f"one per core, here {config.worker_count}",
        },
        "store": {"admin_url": "not set, commands use url"},
        "policy": {"max_window_s": f"as max_age_s, {config.policy.window_s}"},
        "onboarding": {"root_ca": "not set, the WFM answers"},
        "admin": {"address": "not set, there is no admin API"},
        "observe": {
            "address": f"not set, {DEFAULT} if nobody else has that",
            "token_file": "not set, others than this machine get no dashboard",
        },
        "limits": {"data_dir": config.data_dir, "in_flight": "not set, as many as there are connections"},
    }
    return meanings.get(section, {})
