"""Writes changes to a cluster, where no script can have keys of several slots: key by key, in an order that is safe to
break off anywhere (R21).

First the index gives the client its keys, each by compare and set; then the record follows, and only then is the client
one; then the notice, so that whoever reads it finds the record (R25); last the index buries keys that are gone. What
broke off in between gives nobody anything: a key that leads to a client without it is nobody's, and blocked. The same
change carried out once more completes it. A change that was refused after all takes back the keys that it took.
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway.registry import keys, store_client
from gateway.registry.changeset import CHANGES_LIMIT, Changeset, Entry, Notice
from gateway.registry.damaged import Damaged
from gateway.registry.records import Record
from gateway.registry.store_url import RemoteStore

# KEYS: one. ARGV: what it holds (empty: it is not there), what it shall hold (empty: it shall not be there).
COMPARE_AND_SET: Final = b"""\
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""


def write(client: Any, endpoint: RemoteStore, changes: Sequence[Changeset]) -> list[bool]:
    """Write each if its keys still hold what they held; which did. Of one that did not, the index may have been
    written: `undo` takes that back.

    :raises ConfigError: config.store_unreachable
    """
    with store_client.translated(endpoint):
        fits = [True] * len(changes)
        gifts = [(number, entry) for number, change in enumerate(changes) for entry in change.index]
        gifts = [(number, entry) for number, entry in gifts if not entry.is_burial]
        for (number, _), done in zip(gifts, _set(client, [entry for _, entry in gifts]), strict=True):
            fits[number] = fits[number] and done
        left = [number for number, fit in enumerate(fits) if fit]
        for number, done in zip(left, _set(client, [changes[number].record for number in left]), strict=True):
            fits[number] = done
        written = [change for change, fit in zip(changes, fits, strict=True) if fit]
        _tell(client, [change.notice for change in written])
        # One that somebody else changed meanwhile is not this client's to bury.
        _set(client, [entry for change in written for entry in change.index if entry.is_burial])
        return fits


def put(client: Any, endpoint: RemoteStore, entries: Sequence[Entry]) -> list[bool]:
    """Write single keys that still hold what they held; which did.

    :raises ConfigError: config.store_unreachable
    """
    with store_client.translated(endpoint):
        return _set(client, entries)


def undo(client: Any, endpoint: RemoteStore, entries: Sequence[Entry]) -> None:
    """Take back index entries of a change that did not come about.

    :raises ConfigError: config.store_unreachable
    """
    put(client, endpoint, [entry.inverse for entry in entries])


def orphans(given: Sequence[Entry], record: Record | Damaged | None, realm: str) -> list[Entry]:
    """Of the index entries that a change gave to its client before it came to nothing, those whose keys the client does
    not have: to be taken back."""
    has = [one.spki_sha256 for one in record.certs] if isinstance(record, Record) else []
    kept = {keys.spki_key(realm, spki) for spki in has}
    return [entry for entry in given if not entry.is_burial and entry.before != entry.after and entry.name not in kept]


def tell(client: Any, endpoint: RemoteStore, notice: Notice) -> None:
    """Tell once more of a change that was made already: perhaps it broke off before it was told.

    :raises ConfigError: config.store_unreachable
    """
    with store_client.translated(endpoint):
        _tell(client, [notice])


def _set(client: Any, entries: Sequence[Entry]) -> list[bool]:
    if not entries:
        return []
    with client.pipeline(transaction=False) as pipe:
        for entry in entries:
            pipe.eval(COMPARE_AND_SET, 1, entry.name, entry.before, entry.after)
        return [done == 1 for done in pipe.execute()]


def _tell(client: Any, notices: Sequence[Notice]) -> None:
    if notices:
        with client.pipeline(transaction=False) as pipe:
            for notice in notices:
                pipe.execute_command("XADD", keys.CHANGES, "MAXLEN", "~", CHANGES_LIMIT, "*", *notice)
            pipe.execute()
