"""Store URLs: what each means, and one sentence for what none means."""

from pathlib import Path

import pytest

from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import ClusterStore, EmbeddedStore, Endpoint, SentinelStore, StoreTarget, parse

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
        ("redis+sentinel://h/m", SentinelStore(addresses=(("h", 26379),), master="m")),
        (
            "rediss+sentinel://u:p%40@h:1,[::1]:2/the-one/3",
            SentinelStore(addresses=(("h", 1), ("::1", 2)), master="the-one", db=3, tls=True, user="u", password="p@"),
        ),
        ("redis+cluster://h,i:7", ClusterStore(addresses=(("h", 6379), ("i", 7)))),
        ("rediss+cluster://:p@h/", ClusterStore(addresses=(("h", 6379),), tls=True, password="p")),
    ],
)
def test_reads_every_form(url: str, target: StoreTarget) -> None:
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
        ("redis+sentinel://h", "ends with the master's name"),
        ("redis+sentinel://h/m m", "ends with the master's name"),
        ("redis+sentinel://h/m/x", "database number"),
        ("redis+sentinel://h,/m", "one of them is malformed"),
        ("redis+sentinel://h:99999/m", "one of them is malformed"),
        ("redis+sentinel:h/m", "starts with redis"),
        ("redis+cluster://", "one of them is malformed"),
        ("redis+cluster://h/1", "no path"),
        ("redis+cluster://h?x", "%3F"),
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
    "url",
    [
        "redis://u:sesame@h",
        "rediss://:sesame@[::1]:1/2",
        "unix://u:sesame@/x",
        "redis://u:sesame@h/x",
        "redis+sentinel://u:sesame@h,i/m",
        "redis+sentinel://u:sesame@h,i/",
        "redis+cluster://u:sesame@h,i",
        "redis+cluster://u:sesame@h:x",
    ],
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
        ("redis+sentinel://localhost,192.0.2.1/m", True),
        ("redis+sentinel://localhost,[::1]/m", False),
        ("rediss+cluster://192.0.2.1", False),
        ("redis+cluster://192.0.2.1", True),
    ],
)
def test_r27_a_plain_connection_to_another_machine_is_unsafe(url: str, unsafe: bool) -> None:
    target = parse(url)
    assert not isinstance(target, EmbeddedStore)
    assert target.plain_remote is unsafe


def test_a_fleets_url_is_its_text_and_its_servers_have_its_credentials() -> None:
    for url in ("rediss+sentinel://h:1,[::1]:2/m/3", "redis+cluster://h:1,i:2"):
        assert str(parse(url)) == url
    store = parse("rediss+sentinel://u:p@h/m/3")
    assert isinstance(store, SentinelStore)
    assert store.server("x", 7, store.db) == Endpoint(
        host="x", port=7, tls=True, db=3, user="u", password="p", replicated=True
    )
