"""Store URLs: what each means, and one sentence for what none means."""

from pathlib import Path

import pytest

from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import EmbeddedStore, Endpoint, parse

BASE = Path("/base")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("embedded:./data", EmbeddedStore(Path("/base/data"))),
        ("embedded:/x y", EmbeddedStore(Path("/x y"))),
        ("embedded:a%20b", EmbeddedStore(Path("/base/a b"))),
        ("embedded:d?server=bin/valkey", EmbeddedStore(Path("/base/d"), Path("/base/bin/valkey"))),
        ("embedded:d?maxmemory=64mb", EmbeddedStore(Path("/base/d"), None, 64 << 20)),
        ("embedded:d?maxmemory=2GB", EmbeddedStore(Path("/base/d"), None, 2 << 30)),
        ("unix:///run/r.sock", Endpoint(path="/run/r.sock")),
        ("unix://u:p@/run/r.sock", Endpoint(path="/run/r.sock", user="u", password="p")),
        ("redis://h", Endpoint(host="h", port=6379)),
        ("redis://h:1/2", Endpoint(host="h", port=1, db=2)),
        ("redis://u:p%40%3F@h", Endpoint(host="h", user="u", password="p@?")),
        ("redis://:p@h", Endpoint(host="h", password="p")),
        ("rediss://[::1]:7", Endpoint(host="::1", port=7, tls=True)),
    ],
)
def test_reads_every_form(url: str, target: EmbeddedStore | Endpoint) -> None:
    assert parse(url, BASE) == target


def test_r27_a_relative_directory_resolves_against_the_given_base_else_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("embedded:d") == EmbeddedStore(tmp_path / "d")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("data", "has no scheme"),
        ("http://h", "scheme 'http' is unknown"),
        ("redis+sentinel://h", "not supported yet"),
        ("redis+cluster://h", "not supported yet"),
        ("embedded:", "names no directory"),
        ("embedded:d?x=1", "unknown option 'x'"),
        ("embedded:d?server=", "unknown option 'server'"),
        ("embedded:d?maxmemory=lots", "not a size"),
        ("embedded:d?maxmemory=-1", "not a size"),
        ("embedded:d?maxmemory=1mb", "at least 16mb"),
        ("embedded:d\0", "NUL"),
        ("unix://run/x", "three slashes"),
        ("unix:/run/x", "starts with unix://"),
        ("redis:h", "starts with redis://"),
        ("redis:///0", "names no host"),
        ("redis://h/x", "database number"),
        ("redis://h:99999", "malformed"),
        ("redis://h:x", "malformed"),
        ("redis://[::1", "malformed"),
        ("redis://h?db=1", "%3F"),
    ],
)
def test_refuses_the_rest_in_one_sentence(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse(url, BASE)
    assert caught.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize(
    "url", ["redis://u:sesame@h", "rediss://:sesame@[::1]:1/2", "unix://u:sesame@/x", "redis://u:sesame@h/x"]
)
def test_passwords_are_never_shown(url: str) -> None:
    try:
        target = parse(url)
        shown = f"{target} {target!r} {[target]}"
    except ConfigError as error:
        shown = error.message
    assert "sesame" not in shown


@pytest.mark.parametrize(
    ("url", "unsafe"),
    [
        ("redis://192.0.2.1", True),
        ("redis://store.example", True),
        ("redis://localhost", False),
        ("redis://127.0.0.5", False),
        ("redis://[::1]", False),
        ("rediss://store.example", False),
        ("unix:///x", False),
    ],
)
def test_r27_a_plain_connection_to_another_machine_is_unsafe(url: str, unsafe: bool) -> None:
    target = parse(url)
    assert isinstance(target, Endpoint)
    assert target.plain_remote is unsafe
