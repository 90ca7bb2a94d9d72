"""What callers of the admin API may send: bodies as frozen values, and query parameters, unknown ones refused."""

from typing import Annotated, Final, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.admin.problems import AdminReason, own, shared
from gateway.model import Status
from gateway.reasons import Reason
from gateway.registry.operations import OVERLAP_S, REASON_LIMIT

BODY_LIMIT: Final = 256 * 1024
IDS_LIMIT: Final = 1000
"""Clients of one bulk operation."""
PAGE: Final = 100
PAGE_LIMIT: Final = 1000
STATUSES: Final = (*(status.value for status in Status), "damaged")
_SECONDS_LIMIT: Final = 3660 * 86400


class Addition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of `POST /v1/clients`: as `clients add` takes it."""

    id: str
    certificate: str
    tenant: str | None = None
    labels: dict[str, str] | None = None
    other_key: Literal["refuse", "replace", "beside"] = "refuse"
    lift: bool = False


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of revoke, retire and approve; there need not be one."""

    reason: str = ""


class Several(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of the bulk operations."""

    ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=IDS_LIMIT)]
    reason: str = ""


class NewPin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of `POST /v1/pins`: one of a fingerprint and a certificate, as `clients pin` takes it."""

    sha256: str | None = None
    certificate: str | None = None
    note: Annotated[str, Meta(max_length=REASON_LIMIT)] = ""


class NewCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of rotate: as `clients rotate` takes it."""

    certificate: str
    overlap_s: Annotated[int, Meta(ge=0, le=_SECONDS_LIMIT)] = OVERLAP_S
    lift: bool = False


B = TypeVar("B", Addition, Why, NewCertificate, Several, NewPin)


async def body(request: web.Request, kind: type[B]) -> B:
    """The body, checked.

    :raises Problem: 400, 413, 415
    """
    try:
        data = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise shared(Reason.REQUEST_BODY_SIZE, f"more than {BODY_LIMIT} octets") from None
    if not data and kind is Why:
        return msgspec.convert({}, kind)
    if request.content_type != "application/json":
        raise own(AdminReason.MEDIA)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise own(AdminReason.INPUT, f"the body: {error}") from None


def parameters(request: web.Request, *known: str) -> dict[str, str]:
    """The query, each parameter once at most.

    :raises Problem: 400
    """
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in known:
            raise own(AdminReason.INPUT, f"unknown parameter {name[:100]!r}; there are: {', '.join(known)}")
        if name in found:
            raise own(AdminReason.INPUT, f"{name} stands twice")
        found[name] = value
    return found


def whole(name: str, text: str, most: int) -> int:
    """A whole number from 1 to `most`.

    :raises Problem: 400
    """
    if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
        raise own(AdminReason.INPUT, f"{name} is not a whole number from 1 to {most}")
    return int(text)


def page_limit(asked: dict[str, str]) -> int:
    """The parameter `limit`.

    :raises Problem: 400
    """
    return whole("limit", asked.get("limit", str(PAGE)), PAGE_LIMIT)


def expiring_s(text: str) -> int:
    """The parameter `expiring_s`.

    :raises Problem: 400
    """
    return whole("expiring_s", text, _SECONDS_LIMIT)
