"""What the gateway itself answers about onboarding, and what a WFM's answer teaches (R20)."""

import json
from typing import Any, Final

import msgspec

from gateway.registry.keys import is_client_id

CREATED: Final = 201
CONFLICT: Final = 409
_CURRENT: Final = "clientId"
_OLDER: Final = "client_id"


class OwnAnswer(msgspec.Struct, frozen=True):
    """An answer that does not come from the WFM; `fields` beside those that every answer has."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes


def created(client_id: str, older: bool) -> OwnAnswer:
    """201 with the id, in the shape that was asked for."""
    body = json.dumps({_OLDER if older else _CURRENT: client_id}).encode()
    return OwnAnswer(CREATED, (("Content-Type", "application/json"), ("Cache-Control", "no-store")), body)


def learn(body: bytes) -> str | None:
    """The client id in the body of a WFM's 201; None if there is not exactly one of R2's grammar (R20).

    Both names may stand there if they say the same.
    """
    try:
        value: Any = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    found = {json.dumps(value[name]): value[name] for name in (_CURRENT, _OLDER) if name in value}
    if len(found) != 1:
        return None
    (client_id,) = found.values()
    return client_id if isinstance(client_id, str) and is_client_id(client_id) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice: the device could read another id than we")
    return members
