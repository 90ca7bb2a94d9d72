"""What happened to one client, from the change stream that every worker follows: who did what, and when."""

from typing import Any, Final

import msgspec
import redis

from gateway.registry import keys, store_client
from gateway.registry.store_url import RemoteStore

_PAGE: Final = 5000
_BIRTHS: Final = ("added", "onboarded")  # nothing about an id can come before these: a tombstone keeps its record


class Notice(msgspec.Struct, frozen=True):
    """One entry of the stream. `when` is in seconds since 1970, `why` the operator's reason, `certificate` the SHA-256
    of the one that came with the change."""

    realm: str
    id: str
    what: str
    who: str
    when: int
    why: str = ""
    certificate: str = ""


class History(msgspec.Struct, frozen=True):
    """What the stream still tells of one client, oldest first. `complete` False: what came before `since` (seconds
    since 1970; None: the stream is empty) may be missing, because the stream is bounded or was begun in another
    store."""

    notices: tuple[Notice, ...]
    complete: bool
    since: int | None


def read(client: "redis.Redis", endpoint: RemoteStore, realm: str, client_id: str) -> History:
    """Read the whole stream, and keep what is about one client.

    :raises ConfigError: config.store_unreachable
    """
    notices: list[Notice] = []
    first: bytes | None = None
    at = b"-"
    with store_client.translated(endpoint):
        connection: Any = client
        while True:
            page = connection.xrange(keys.CHANGES, min=at, count=_PAGE)
            for name, fields in page:
                first = name if first is None else first
                if fields.get(b"id") == client_id.encode() and fields.get(b"realm") == realm.encode():
                    notices.append(_notice(realm, client_id, name, fields))
            if len(page) < _PAGE:
                break
            at = b"(" + page[-1][0]
    complete = bool(notices) and notices[0].what in _BIRTHS
    return History(tuple(notices), complete, None if first is None else _seconds(first))


def _notice(realm: str, client_id: str, name: bytes, fields: dict[bytes, bytes]) -> Notice:
    text = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in fields.items()}
    when = text.get("when", "")
    return Notice(
        realm=realm,
        id=client_id,
        what=text.get("what", ""),
        who=text.get("who", ""),
        when=int(when) if when.isascii() and when.isdigit() else _seconds(name),
        why=text.get("why", ""),
        certificate=text.get("cert", ""),
    )


def _seconds(name: bytes) -> int:
    """When an entry was added, from its id of `<milliseconds>-<number>`."""
    return int(name.partition(b"-")[0]) // 1000


def copy(
    source: "redis.Redis", source_store: RemoteStore, target: "redis.Redis", target_store: RemoteStore
) -> int | None:
    """Copy the stream with its entries' own names; how many were copied. A copy that broke off is continued. None: the
    target has a stream of its own, which is left alone.

    :raises ConfigError: config.store_unreachable
    """
    reader: Any = source
    writer: Any = target
    with store_client.translated(target_store):
        last = writer.xrevrange(keys.CHANGES, count=1)
    at = b"-"
    if last:
        name, fields = last[0]
        with store_client.translated(source_store):
            if reader.xrange(keys.CHANGES, min=name, max=name) != [(name, fields)]:
                return None
        at = b"(" + name
    copied = 0
    while True:
        with store_client.translated(source_store):
            page = reader.xrange(keys.CHANGES, min=at, count=_PAGE)
        with store_client.translated(target_store), writer.pipeline(transaction=False) as pipe:
            for name, fields in page:
                pipe.xadd(keys.CHANGES, fields, id=name)
            if page:
                pipe.execute()
        copied += len(page)
        if len(page) < _PAGE:
            return copied
        at = b"(" + page[-1][0]
