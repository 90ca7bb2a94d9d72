"""Pieces of a registry that is spread over several servers: all of them are walked, one after the other."""

from typing import Any

import pytest

from gateway.reasons import ConfigError
from gateway.registry import paging, store_client
from gateway.registry.store_url import Endpoint


class Server:
    """Gives two keys a time."""

    def __init__(self, name: str, count: int) -> None:
        self._keys = [f"{name}{number}".encode() for number in range(count)]

    def scan(self, cursor: int, match: bytes, count: int) -> tuple[int, list[bytes]]:
        assert (match, count) == (b"p*", 10)
        following = cursor + 2
        return (0 if following >= len(self._keys) else following), self._keys[cursor:following]


class Client:
    def mget(self, names: list[bytes]) -> list[bytes | None]:
        return [None if name == b"b1" else name.upper() for name in names]


def test_every_server_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [Server("a", 3), Server("b", 2), Server("c", 0), Server("d", 1)]
    monkeypatch.setattr(store_client, "servers", lambda client: servers)
    client: Any = Client()
    found, mark, marks = [], "", []
    while True:
        entries, mark = paging.piece(client, Endpoint(path="/x"), b"p", mark, 10)
        found += entries
        if not mark:
            break
        marks.append(mark)
    assert [name for name, _ in found] == [b"a0", b"a1", b"a2", b"b0", b"d0"]
    assert found[0] == (b"a0", b"A0")
    assert marks == ["0.2", "1.0", "2.0", "3.0"]


@pytest.mark.parametrize("mark", ["4.0", "0", "0.-1", "0.18446744073709551616", "x.1", "0.1\n"])
def test_a_mark_that_no_piece_gave_is_refused(monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setattr(store_client, "servers", lambda client: [Server("a", 3)] * 4)
    client: Any = Client()
    with pytest.raises(ConfigError, match="cursor"):
        paging.piece(client, Endpoint(path="/x"), b"p", mark, 10)
