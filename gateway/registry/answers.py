"""What the registry and the replay store can answer: found, not there, not to be had, or could not be asked."""

from enum import Enum
from typing import TypeAlias

import msgspec

from gateway.model import Client
from gateway.reasons import Reason


class Missing(msgspec.Struct, frozen=True, gc=False):
    """The store was asked and has no such client."""


class Learned(msgspec.Struct, frozen=True, gc=False):
    """The store did not have the client, and has it now: ask again."""


class Denied(msgspec.Struct, frozen=True, gc=False):
    """There is no such client, and for this `reason` there cannot be one with the certificate that was found for it;
    `detail` is for the operator."""

    reason: Reason
    detail: str


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The store (or the origin) could not be asked, or its answer cannot be used: `reason` is one of our troubles,
    `detail` is for the operator."""

    reason: Reason
    detail: str


class Claim(Enum):
    """Answer to one replay claim (R13): it is ours now, or somebody had it before."""

    CLAIMED = "claimed"
    SEEN = "seen"


Found: TypeAlias = Client | Missing | Denied | Unavailable
OriginAnswer: TypeAlias = Learned | Missing | Denied | Unavailable
ClaimAnswer: TypeAlias = Claim | Unavailable
