"""A configuration from flags: as a file would say it, with the flags' names in the messages."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import from_flags, load
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write

GOOD: dict[str, Any] = {"upstream": "http://127.0.0.1:9000", "public_url": "https://wfm.example.com"}


def test_flags_mean_what_a_file_means(tmp_path: Path) -> None:
    file = load(
        write(
            tmp_path,
            listen='address = "0.0.0.0:80"\npublic_url = "https://wfm.example.com"\nworkers = 2\n'
            'trusted_proxies = ["10.0.0.0/8"]',
            store='url = "embedded:./state"',
            policy='base_path = "/t"',
        )
    )
    flags = from_flags(
        **GOOD,
        listen="0.0.0.0:80",
        store="embedded:./state",
        workers=2,
        trusted_proxies=["10.0.0.0/8"],
        base_path="/t",
        base=tmp_path,
    )
    assert flags.source == ""
    for section in ("listen", "upstream", "store", "policy", "limits", "base_dir"):
        assert getattr(flags, section) == getattr(file, section)


def test_r27_relative_paths_start_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_flags(**GOOD, store="embedded:./state").store.embedded_dir == str(tmp_path / "state")


@pytest.mark.parametrize(
    ("flags", "message", "reason"),
    [
        ({"public_url": "x"}, '--public-url: got "x", wanted "https://host"', Reason.CONFIG_INVALID),
        ({"upstream": "x"}, '--upstream: got "x", wanted "http://host:port"', Reason.CONFIG_INVALID),
        ({"listen": "80"}, '--listen: got "80", wanted "host:port"', Reason.CONFIG_INVALID),
        ({"store": "x"}, '--store: got "x", wanted "embedded:DIR"', Reason.CONFIG_INVALID),
        ({"workers": 0}, "--workers: got 0, wanted a whole number", Reason.CONFIG_INVALID),
        ({"base_path": "/x/"}, '--base-path: got "/x/", wanted', Reason.CONFIG_INVALID),
        ({"profile": "x"}, '--profile: got "x", wanted one of', Reason.CONFIG_INVALID),
        ({"profile": "generic"}, '--profile: profile "generic" has no routes of its own', Reason.CONFIG_INVALID),
        ({"public_url": None}, "--public-url: missing, and --trusted-proxy is empty", Reason.CONFIG_AUTHORITY),
        ({"trusted_proxies": ["::/0"]}, "--trusted-proxy: trusts every address", Reason.CONFIG_UNSAFE),
    ],
)
def test_mistake_names_the_flag(flags: dict[str, Any], message: str, reason: Reason) -> None:
    with pytest.raises(ConfigError) as caught:
        from_flags(**{**GOOD, **flags})
    assert caught.value.message.startswith(message)
    assert caught.value.reason == reason
