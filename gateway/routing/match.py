"""What routing says about a request that it lets through."""

from typing import Literal

import msgspec

from gateway.model import Mode

Kind = Literal["open", "onboarding", "rotation", "signed", "off"]


class Match(msgspec.Struct, frozen=True, gc=False):
    """The `route` (its name) that a request takes. `client_id` comes from the path; None where there is none, or where
    it is the signature's keyid (`client_id_from_keyid`, R11). `require_covered_digest` None: as client and policy say.
    """

    kind: Kind
    route: str
    realm: str
    client_id: str | None = None
    client_id_from_keyid: bool = False
    require_covered_digest: bool | None = None
    mode: Mode = "enforce"
