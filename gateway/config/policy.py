"""Section `[policy]`: which routes there are, and what a signature must look like to count (R9 to R13)."""

import difflib
import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.config.kinds import Bytes, SecondsOrNone, StructuredType, WholeSeconds
from gateway.config.mistake import Mistake, wrong
from gateway.model import Algorithm, Mode

RSA: Final = (Algorithm.RSA_PSS_SHA512, Algorithm.RSA_V1_5_SHA256, Algorithm.RSA_PSS_SHA256)
"""In the order in which they are tried without `alg`: the Margo reference device sends the first."""

# RFC 9421 §2.2, those that a bare identifier can name on a request; @query-param needs a parameter.
DERIVED: Final = frozenset({"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"})
FIELD_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
"""RFC 9110 §5.6.2 token, lower case as RFC 9421 §2.1 wants it."""

_REALM: Final = re.compile(r"[A-Za-z0-9._~=-]{1,128}", re.ASCII)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]+", re.ASCII)
_ALGORITHMS: Final = "a list of " + ", ".join(f'"{item}"' for item in Algorithm)
_RSA: Final = "a list of " + ", ".join(f'"{item}"' for item in RSA)
_REALM_WANTED: Final = "1 to 128 characters of A-Z a-z 0-9 . _ ~ = -"
_BASE_PATH: Final = '"" or a plain path such as "/v1alpha2/margo", without a slash at the end'
_COMPONENTS: Final = "a list of derived components of RFC 9421 section 2.2 and lower-case field names"
_MODES: Final = 'a table of route names, each "enforce", "observe", "off" or "passthrough"'
_SHARE: Final = "a whole number of percent from 0 to 100"
_LOOKED_AT: Final = "a whole number of percent from 1 to 100"
_STRUCTURED: Final = 'a table of lower-case field names, each "item", "list" or "dictionary"'

MARGO_ROUTES: Final = (
    "capabilities",
    "device-capabilities",
    "deployments",
    "bundle",
    "deployment",
    "status",
    "status-singular",
)
"""The signed routes of profile `margo`, which may have a mode of their own."""

Algorithms = Annotated[tuple[Algorithm, ...], Meta(min_length=1, description=_ALGORITHMS)]


class Policy(Struct, frozen=True, kw_only=True):
    """`max_window_s` None: as `max_age_s`. `structured_fields`: types of fields that `sf` and `key` may be used on,
    beside those that we know. `modes`: of single routes of profile `margo`, by name. Where the mode is `observe`,
    `enforce_share` percent of the clients are enforced all the same, and `observe_share` percent of the requests of the
    others are verified (R16)."""

    profile: Literal["margo", "generic"] = "margo"
    mode: Literal["enforce", "observe"] = "enforce"
    modes: Annotated[dict[str, Mode | Literal["off"]], Meta(description=_MODES)] = {}
    enforce_share: Annotated[int, Meta(ge=0, le=100, description=_SHARE)] = 0
    observe_share: Annotated[int, Meta(ge=1, le=100, description=_LOOKED_AT)] = 100
    base_path: Annotated[str, Meta(description=_BASE_PATH)] = ""
    realm: Annotated[str, Meta(description=_REALM_WANTED)] = "default"
    max_age_s: WholeSeconds = 300
    max_window_s: WholeSeconds | None = None
    clock_skew_s: SecondsOrNone = 30
    replay: Literal["off", "unsafe", "all"] = "unsafe"
    lost_memory: Literal["refuse", "accept"] = "refuse"
    body_limit_bytes: Bytes = 10_485_760
    require_covered_digest: bool = True
    required_components: Annotated[tuple[str, ...], Meta(min_length=1, description=_COMPONENTS)] = (
        "@method",
        "@target-uri",
    )
    algorithms: Algorithms = tuple(Algorithm)
    rsa_algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1, description=_RSA)] = RSA
    keyid: Literal["log", "match", "client-id"] = "log"
    capital_content_digest: bool = False
    structured_fields: Annotated[dict[str, StructuredType], Meta(description=_STRUCTURED)] = {}
    hide_unknown_clients: bool = False

    @property
    def window_s(self) -> int:
        """How old a signature may ever become by configuration: what the replay window is made for (R13)."""
        return self.max_age_s if self.max_window_s is None else self.max_window_s

    @property
    def claim_ttl_ms(self) -> int:
        """How long a replay claim is kept: the window plus twice the skew, in milliseconds (R13)."""
        return (self.window_s + 2 * self.clock_skew_s) * 1000


def settle(policy: Policy) -> Policy:
    """Check what types alone do not.

    :raises Mistake: config.invalid
    """
    check_realm("policy.realm", policy.realm)
    _check_base_path(policy.base_path)
    _check_modes(policy)
    if policy.window_s < policy.max_age_s:
        wanted = f"at least policy.max_age_s, which is {policy.max_age_s}"
        raise wrong("policy.max_window_s", policy.max_window_s, wanted)
    _check_unique("policy.required_components", policy.required_components)
    for name in policy.required_components:
        if name not in DERIVED and not FIELD_NAME.fullmatch(name):
            raise wrong("policy.required_components", name, _COMPONENTS)
    _check_unique("policy.algorithms", policy.algorithms)
    _check_unique("policy.rsa_algorithms", policy.rsa_algorithms)
    for algorithm in policy.rsa_algorithms:
        if algorithm not in RSA:
            raise wrong("policy.rsa_algorithms", algorithm, _RSA)
    for name in policy.structured_fields:
        if not FIELD_NAME.fullmatch(name):
            raise wrong("policy.structured_fields", name, _STRUCTURED)
    if policy.keyid == "client-id" and policy.profile != "generic":
        # R11: a Margo device is named by the path, and by nothing else.
        raise Mistake("policy.keyid", '"client-id" is for profile "generic" only')
    return policy


def check_realm(key: str, realm: str) -> None:
    """A realm is part of every key in the store (R3), so its characters are bounded.

    :raises Mistake: config.invalid
    """
    if not _REALM.fullmatch(realm):
        raise wrong(key, realm, _REALM_WANTED)


def _check_modes(policy: Policy) -> None:
    for name in policy.modes:
        if policy.profile != "margo":
            raise Mistake("policy.modes", 'is for profile "margo" only; a [[route]] has a mode of its own')
        if name not in MARGO_ROUTES:
            near = difflib.get_close_matches(name, MARGO_ROUTES, n=1)
            meant = f"did you mean policy.modes.{near[0]}?" if near else f"known here: {', '.join(MARGO_ROUTES)}"
            raise Mistake(f"policy.modes.{name}", f"there is no signed route of this name; {meant}")


def _check_base_path(path: str) -> None:
    # The prefix is compared literally with what R1 lets through, so it must be a path that R1 lets through.
    if not path:
        return
    first, *segments = path.split("/")
    if first or not segments or not all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in segments):
        raise wrong("policy.base_path", path, _BASE_PATH)


def _check_unique(key: str, values: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise Mistake(key, f'"{value}" stands twice')
        seen.add(value)
