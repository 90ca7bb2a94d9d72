"""What the WFM says of a client that the store does not know: read, checked, remembered and rationed (R5, R23)."""

import json
from collections import OrderedDict
from typing import Any, Final

from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Denied, Learned, Missing, OriginAnswer, Unavailable
from gateway.registry.cache import ClientKey
from gateway.registry.certificates import describe, read_certificate
from gateway.registry.registration import Decision, Outcome, Registration, prepare
from gateway.registry.revocations import Revocations

ANSWER_LIMIT_BYTES: Final = 65_536
"""Longest answer that is read."""
_SOURCE: Final = "the origin's certificate"
_CERTIFICATE: Final = frozenset({"certificate", "public_certificate"})
_CLIENT_ID: Final = frozenset({"clientid", "client_id"})
_REMEMBERED: Final = 10_000
_MISSING: Final = Missing()


def may_be_asked(client_id: str) -> bool:
    """R2 lets the ids `.` and `..` pass, but in a URL they lead elsewhere."""
    return client_id not in (".", "..")


def read_answer(
    status: int, body: bytes, realm: str, client_id: str, now: float, revocations: Revocations
) -> Registration | Missing | Denied | Unavailable:
    """What an HTTP answer of the origin means.

    :param body: the whole content, at most `ANSWER_LIMIT_BYTES`
    :return: what to record, or that there is no such client (404, 410), or that its certificate cannot be taken, or
        that the origin is in trouble
    """
    if status in (404, 410):
        return _MISSING
    if status != 200:
        return trouble(f"it answered with status {status}")
    try:
        data = _certificate(body, client_id)
        _, der = read_certificate(data, _SOURCE)
    except ConfigError as error:
        return trouble(error.message)
    except _BadAnswer as error:
        return trouble(str(error))
    try:
        known = describe(der, _SOURCE)
    except ConfigError as error:
        return Denied(Reason.TRUST_WEAK_KEY, error.message)
    if now < known.not_before:
        return Denied(Reason.KEY_NOT_YET_VALID, f"the origin's certificate {known.sha256}")
    if now >= known.not_after + 1:
        return Denied(Reason.KEY_EXPIRED, f"the origin's certificate {known.sha256}")
    objection = revocations.objection(known.issued, now)
    if objection is not None:
        return Denied(objection, f"the origin's certificate {known.sha256}, by its authority's revocation list")
    return prepare(realm, client_id, der, _SOURCE, int(now))


def what_follows(decision: Decision) -> OriginAnswer:
    """What the recorder's decision about an origin's answer means for the request that waits."""
    match decision.outcome:
        case Outcome.KEY_TAKEN:
            return Denied(Reason.KEY_TAKEN, decision.sentence)  # R20
        case Outcome.KEY_REMOVED:
            return Denied(Reason.KEY_REMOVED, decision.sentence)  # R22
        case _:
            return Learned()  # or somebody else was faster: in any case there is a record to be judged


def trouble(detail: str) -> Unavailable:
    """The origin is of no use: our trouble, never the device's (R26)."""
    return Unavailable(Reason.UPSTREAM_ORIGIN, f"the origin cannot be asked: {detail}"[:300])


class Memory:
    """Ids that the origin does not know or that cannot be taken, for a while; the oldest go for want of room.

    :param remember_s: for how long; 0: not at all
    """

    def __init__(self, remember_s: float, entries: int = _REMEMBERED) -> None:
        self._remember_s = remember_s
        self._entries = entries
        self._said: OrderedDict[ClientKey, tuple[float, Missing | Denied]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._said)

    def get(self, key: ClientKey, now_s: float) -> Missing | Denied | None:
        """What the origin said, if that was a moment ago; `now_s` is monotonic."""
        found = self._said.get(key)
        if found is None:
            return None
        if now_s < found[0]:
            return found[1]
        del self._said[key]
        return None

    def put(self, key: ClientKey, answer: Missing | Denied, now_s: float) -> None:
        """Remember a no."""
        if not self._remember_s:
            return
        self._said[key] = (now_s + self._remember_s, answer)
        self._said.move_to_end(key)
        if len(self._said) > self._entries:
            self._said.popitem(last=False)


class Ration:
    """How much may be asked, because strangers can cause it (R5): so many look-ups a second, so many at a time."""

    def __init__(self, per_second: float, at_once: int, now_s: float) -> None:
        self._per_second = per_second
        self._room = max(1.0, per_second)
        self._left = self._room
        self._at_once = at_once
        self._seen_s = now_s
        self.under_way = 0

    def take(self, now_s: float) -> Unavailable | None:
        """One look-up more, to be given back with `done`; or why not."""
        self._left = min(self._room, self._left + (now_s - self._seen_s) * self._per_second)
        self._seen_s = now_s
        if self.under_way >= self._at_once:
            return trouble(f"{self.under_way} look-ups are under way, see registry.origin_concurrency")
        if self._left < 1:
            return trouble("too many look-ups, see registry.origin_per_second")
        self._left -= 1
        self.under_way += 1
        return None

    def done(self) -> None:
        """A look-up has ended."""
        self.under_way -= 1


class _BadAnswer(Exception):
    """The answer is none of the known shapes."""


def _certificate(body: bytes, client_id: str) -> bytes:
    """The certificate in an answer: Margo's JSON with base64 of PEM or DER, or PEM or DER itself."""
    if body.lstrip()[:1] != b"{":
        return body
    try:
        value = json.loads(body.decode(), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise _BadAnswer("its answer is not JSON") from None
    whose = [member for name, member in value.items() if name in _CLIENT_ID]
    if any(member != client_id for member in whose):
        raise _BadAnswer("its answer is about another client")
    found = [member for name, member in value.items() if name in _CERTIFICATE]
    if len(found) != 1 or not isinstance(found[0], str):
        raise _BadAnswer("its answer does not have one certificate")
    return found[0].encode("utf-8", "replace")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # As R18 wants it of devices: two readers of one answer must not find two certificates.
    members = {name.casefold(): value for name, value in pairs}
    if len(members) != len(pairs):
        raise _BadAnswer("its answer has a member twice")
    return members
