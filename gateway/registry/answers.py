"""What the registry and the replay store can answer: found, not there, or could not be asked."""

from enum import Enum
from typing import TypeAlias

import msgspec

from gateway.model import Client
from gateway.reasons import Reason


class Missing(msgspec.Struct, frozen=True, gc=False):
    """The store was asked and has no such client."""


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The store could not be asked, or its answer cannot be used: `reason` is a `store.*` one, `detail` is for the
    operator."""

    reason: Reason
    detail: str


class Claim(Enum):
    """Answer to one replay claim (R13): it is ours now, or somebody had it before."""

    CLAIMED = "claimed"
    SEEN = "seen"


Found: TypeAlias = Client | Missing | Unavailable
ClaimAnswer: TypeAlias = Claim | Unavailable
