"""What the pipeline needs next: each step is a frozen value that carries all that is known so far."""

from typing import TypeAlias

import msgspec

from gateway._native import Candidate, Digest, Head
from gateway.model import Admitted, Client, Composed, External, Job, Mode, Refusal, Unverified, Verified
from gateway.onboarding.body import Presented
from gateway.onboarding.flow import Enrol, Known


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One public-key operation that may be made: which signature it is about, and with which spelling of the
    authority."""

    candidate: Candidate
    authority: bytes
    job: Job


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request on a signed route. `require_covered_digest` is the route's or the policy's; the client's goes before
    it. `untried` are the attempts for which there is no room within the public-key operations of R5. `presented` is
    what an onboarding request brought; it has no client id. `successor` is a rotation's signature by the new key,
    `operations` how many public-key operations are left for it (R5, R23). `mode` is what becomes of it if it does not
    verify; `refusal` what is known to be wrong with it before its body is read, to be forwarded all the same (R16).
    `asked`: somebody else's proxy has it and its body."""

    head: Head
    external: External
    route: str
    realm: str
    client_id: str
    require_covered_digest: bool
    candidates: tuple[Candidate, ...]
    digest: Digest | None
    notes: tuple[str, ...]
    untried: tuple[Attempt, ...] = ()
    presented: Presented | None = None
    successor: Candidate | None = None
    operations: int = 0
    mode: Mode = "enforce"
    refusal: Refusal | None = None
    asked: bool = False


class NeedKey(msgspec.Struct, frozen=True, gc=False):
    """The client's record is needed. `verified` is set when it was there before, and a slow body made it old (R12)."""

    request: Request
    verified: tuple[Verified, ...] = ()
    body_verified: bool = True

    @property
    def realm(self) -> str:
        """Realm of the route (R3)."""
        return self.request.realm

    @property
    def client_id(self) -> str:
        """Client id from the request (R11)."""
        return self.request.client_id


class NeedVerification(msgspec.Struct, frozen=True, gc=False):
    """An engine's answer to `job` is needed. `rest` are the attempts behind this one, `verified` what held already,
    `failed`
    the labels of attempts that did not."""

    request: Request
    client: Client
    attempt: Attempt
    rest: tuple[Attempt, ...]
    verified: tuple[Verified, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def job(self) -> Job:
        """What to verify."""
        return self.attempt.job


class NeedBody(msgspec.Struct, frozen=True, gc=False):
    """The body is needed: at most `limit_bytes` of it, hashed with what the two flags name. `verified` is empty where
    the request goes on without proof."""

    request: Request
    verified: tuple[Verified, ...]
    limit_bytes: int
    sha256: bool
    sha512: bool


class NeedClaim(msgspec.Struct, frozen=True, gc=False):
    """All `keys` must be claimed in the replay store for `ttl_ms` milliseconds (R13)."""

    request: Request
    verified: tuple[Verified, ...]
    body_verified: bool
    keys: tuple[bytes, ...]
    ttl_ms: int


class NeedPresented(msgspec.Struct, frozen=True, gc=False):
    """The body of an onboarding request is needed, in memory, before anybody is known: it holds the key (R18)."""

    request: Request
    limit_bytes: int
    sha256: bool
    sha512: bool


class NeedStanding(msgspec.Struct, frozen=True, gc=False):
    """What the store has about the key of a device that proved to have it. `admitted` may go to the WFM if that allows
    it."""

    request: Request
    presented: Presented
    admitted: Admitted


class Onboard(msgspec.Struct, frozen=True, gc=False):
    """The end of an onboarding request that passed: enrol the device, or tell it the id that it has."""

    request: Request
    presented: Presented
    admitted: Admitted
    decision: Enrol | Known


class Rotate(msgspec.Struct, frozen=True, gc=False):
    """A rotation whose old key is proven; `successor` must be by the key of the certificate in the body (R23)."""

    request: Request
    admitted: Admitted
    successor: Candidate


class ServeRootCa(msgspec.Struct, frozen=True, gc=False):
    """The end of a request for the root CA that we serve ourselves; `if_none_match` as received."""

    if_none_match: list[bytes]
    route: str


class Vouch(msgspec.Struct, frozen=True, gc=False):
    """The end of a question by somebody else's proxy: that request may pass. `admitted` is what is known of its device;
    None on an open route. Nothing is forwarded, and nothing was seen of a body."""

    admitted: Admitted | None
    route: str


class BodyFacts(msgspec.Struct, frozen=True, gc=False):
    """What reading a body showed: its `length` in octets, the hashes that were asked for, and how long it took."""

    length: int
    sha256: bytes | None
    sha512: bytes | None
    took_s: float


Step: TypeAlias = (
    NeedKey
    | NeedVerification
    | NeedBody
    | NeedClaim
    | NeedPresented
    | NeedStanding
    | Onboard
    | Rotate
    | ServeRootCa
    | Vouch
    | Admitted
    | Composed
    | Unverified
    | Refusal
)
