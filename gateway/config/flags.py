"""A configuration from command-line flags alone: the same checks, with the flag's name in the message."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gateway.config.config import Config
from gateway.config.load import settle
from gateway.config.mistake import Mistake
from gateway.reasons import ConfigError

FLAGS: Final = {
    "listen.address": "--listen",
    "listen.public_url": "--public-url",
    "listen.trusted_proxies": "--trusted-proxy",
    "listen.workers": "--workers",
    "upstream.url": "--upstream",
    "store.url": "--store",
    "policy.profile": "--profile",
    "policy.base_path": "--base-path",
    "route": "--profile",
}
"""Keys of the file, and the flags that set them."""


def from_flags(
    upstream: str,
    listen: str | None = None,
    public_url: str | None = None,
    store: str | None = None,
    workers: int | None = None,
    trusted_proxies: Sequence[str] = (),
    profile: str | None = None,
    base_path: str | None = None,
    base: Path | None = None,
) -> Config:
    """The configuration that flags describe; relative paths resolve against `base`, the current directory by default.

    :raises ConfigError: as `load`; the message begins with the flag's name
    """
    given: dict[str, Any] = {
        "listen.address": listen,
        "listen.public_url": public_url,
        "listen.trusted_proxies": list(trusted_proxies),
        "listen.workers": workers,
        "upstream.url": upstream,
        "store.url": store,
        "policy.profile": profile,
        "policy.base_path": base_path,
    }
    document: dict[str, Any] = {}
    for key, value in given.items():
        section, name = key.split(".")
        if value is not None:
            document.setdefault(section, {})[name] = value
    try:
        return settle(document, base or Path.cwd(), "")
    except Mistake as mistake:
        sentence = mistake.sentence
        for key, flag in FLAGS.items():
            if "." in key:
                sentence = sentence.replace(key, flag)
        raise ConfigError(mistake.reason, f"{FLAGS.get(mistake.key, mistake.key)}: {sentence}") from None
