"""Writes changes to a single server: each with one script, all of it or nothing."""

from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final

from gateway.registry import keys, store_client
from gateway.registry.changeset import CHANGES_LIMIT, Changeset
from gateway.registry.store_url import RemoteStore

# Compare and set, atomically with the notice of the change: either all keys still hold what the decision was made of,
# and all is written, or nothing is. KEYS: record, index entries, stream. ARGV: what each of them but the stream holds
# (empty: it is not there), what each shall hold, the limit of the stream, the fields of the notice. The notice comes
# first because only it can fail, and a script is not rolled back.
_WRITE: Final = b"""\
local n = #KEYS - 1
for i = 1, n do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then return 0 end
end
redis.call('XADD', KEYS[n + 1], 'MAXLEN', '~', ARGV[2 * n + 1], '*', unpack(ARGV, 2 * n + 2))
for i = 1, n do
  redis.call('SET', KEYS[i], ARGV[n + i])
end
return 1
"""
_WRITE_SHA1: Final = sha1(_WRITE, usedforsecurity=False).hexdigest()


def write(client: Any, endpoint: RemoteStore, changes: Sequence[Changeset]) -> list[bool]:
    """Write each if its keys still hold what they held; which did.

    :raises ConfigError: config.store_unreachable
    """
    with store_client.translated(endpoint), client.pipeline(transaction=False) as pipe:
        pipe.script_load(_WRITE)
        for change in changes:
            entries = change.entries
            names = [entry.name for entry in entries]
            held = [entry.before for entry in entries]
            shall = [entry.after for entry in entries]
            arguments = [*names, keys.CHANGES, *held, *shall, CHANGES_LIMIT, *change.notice]
            pipe.evalsha(_WRITE_SHA1, len(names) + 1, *arguments)
        return [done == 1 for done in pipe.execute()[1:]]
