"""The contract of the native module: what happens on every request and touches every byte, and nothing else."""

from collections.abc import Collection, Mapping
from typing import Any, final

class Refused(Exception):
    """The peer's mistake. `reason` is a `gateway.reasons.Reason` value, `detail` is for the operator."""

    def __init__(self, reason: str, detail: str = "") -> None: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...

@final
class Head:
    """One request head, read strictly (RFC 9112 §3, §5) and immutable. Made by `parse_head` only."""

    method: bytes
    """As received."""
    target: bytes
    """The raw request target, as received."""
    path: bytes
    """Raw path of the target; `/` where an absolute-form target has none."""
    query: bytes | None
    """Raw query without its `?`; None where there is no `?`."""
    absolute: bool
    """The target is in absolute-form (RFC 9112 §3.2.2)."""
    host: bytes
    """Value of the one Host field; empty for HTTP/1.0 without one."""
    minor: int
    """1 for HTTP/1.1, 0 for HTTP/1.0."""
    content_length: int
    """Octets announced by Content-Length; -1 where there is none."""
    chunked: bool
    """Transfer-Encoding is exactly `chunked`."""
    keep_alive: bool
    """The sender lets the connection stay open (RFC 9112 §9.3)."""
    expects_continue: bool
    """`Expect: 100-continue` was sent (RFC 9110 §10.1.1)."""
    field_count: int

    def values(self, name: bytes) -> list[bytes]:
        """Values of the field lines with this lower-case `name`, optional white space trimmed, in order."""

    def fields(self) -> list[tuple[bytes, bytes]]:
        """All field lines, names as received, values trimmed, in order."""

    def reserved(self) -> bytes | None:
        """The first field name that folds to a reserved `Wfm-` name (R14), as received; None if there is none."""

def parse_head(raw: bytes, field_limit: int = 100) -> Head:
    """Read one whole head, from the request line to its empty line.

    :raises Refused: request.bad_request_line, bad_target, bad_field, bad_framing, bad_host, bad_version,
        too_many_fields, upgrade_refused, expectation_failed
    """

@final
class WireReader:
    """Strict reader of one inbound connection: hands on only bytes that it has accepted (R4, R5)."""

    def __init__(self, head_limit_bytes: int = 32768, field_limit: int = 100) -> None: ...
    def feed(self, data: bytes) -> bytes:
        """Take what arrived; return what a parser behind may read: whole heads, bodies, re-made chunks, no trailers.

        :raises Refused: as `parse_head`, and request.head_too_large, request.bad_chunk, request.reserved_name (in
            trailers). Accepted bytes of before the refusal are in `accepted`; afterwards every call raises again.
        """
    accepted: bytes
    """Bytes accepted in the call that raised, before the offence."""
    head_pending: bool
    """A head has begun and is not complete: a timer should be running."""
    body_pending: bool
    """A body has begun and is not complete."""
    def take_head(self) -> Head | None:
        """The next head that is complete, in order; None if there is none."""

@final
class Candidate:
    """One signature of a message: a label that stands in both fields. Its mistakes are in `reason` (R8)."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Candidates are made by `select` only: this raises TypeError."""

    label: str
    signature: bytes
    created: int | None
    expires: int | None
    nonce: str | None
    alg: str | None
    keyid: str | None
    tag: str | None
    components: str
    """The inner list as it stands in the base: `("@method" "@target-uri")`."""
    params: bytes
    """The value of `@signature-params`: the inner list with its parameters (RFC 9421 §2.3)."""
    reason: str | None
    """Why this signature cannot be used whatever its key; None if nothing is wrong so far."""
    detail: str
    def covers(self, name: bytes) -> bool:
        """Is `name` covered bare, that is without a parameter but sf or bs (R9)?"""
    def field_names(self) -> list[bytes]:
        """Lower-case names of the covered header fields (derived components left out), each once."""
    def base(self, scheme: bytes, authority: bytes) -> bytes:
        """The signature base (RFC 9421 §2.5) for the request as `scheme` and `authority` show it.

        :raises Refused: signature.component_missing, signature.component_value, signature.bad_component_parameter
        """

def select(
    head: Head, structured: Mapping[bytes, str] | None = None, capital_content_digest: bool = False
) -> tuple[Candidate, ...]:
    """All signatures of a request, in field order (RFC 9421 §4, R8).

    :param structured: lower-case field name to `item`, `list` or `dictionary`: the types that `sf` may use
    :raises Refused: signature.missing, malformed_input, malformed_value, label_mismatch, duplicate_label,
        too_many_labels
    """

@final
class Digest:
    """A parsed Content-Digest (RFC 9530 §2)."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Digests are made by `parse_digest` only: this raises TypeError."""

    sha256: bytes | None
    sha512: bytes | None
    known: bool
    """At least one algorithm is one that we compute."""
    def matches(self, sha256: bytes | None, sha512: bytes | None) -> bool:
        """Every known algorithm present equals what was computed over the body; False if none is known."""

def parse_digest(head: Head) -> Digest | None:
    """The request's Content-Digest; None if there is none.

    :raises Refused: digest.malformed (also for an algorithm that stands twice)
    """

def ecdsa_der(signature: bytes, bits: int) -> bytes:
    """Turn r‖s of exactly 64 (`bits` 256) or 96 (`bits` 384) octets into DER, for libraries that want it.

    :raises Refused: signature.bad_length, signature.out_of_range (not 1 <= r, s < n)
    """

def forward_fields(head: Head, candidate: Candidate | None, allowed: Collection[bytes] | None) -> list[tuple[str, str]]:
    """The field lines that go on to the backend: hop-by-hop ones (RFC 9110 §7.6.1) and those of R15 removed, Host,
    Content-Length and Transfer-Encoding left out (the caller sets them), the rest in order.

    :param candidate: the verified signature, whose covered fields no Connection option can remove
    :param allowed: lower-case names that may pass beside Signature, Signature-Input and Content-Digest; None for all
    """

def parse_structured(kind: str, value: bytes) -> Any:
    """Parse a structured field (RFC 9651 §4.2) of `kind` item, list or dictionary, for tests and for `explain`.

    Items are `(bare, [(key, bare), ...])`; lists are lists of items or of inner lists `([items], params)`;
    dictionaries are lists of `(key, member)`. Bare items: int, `("decimal", str)`, `("string", str)`,
    `("token", str)`, bytes, bool, `("date", int)`, `("display", str)`.

    :raises Refused: signature.component_value
    """

def serialise_structured(kind: str, value: bytes) -> bytes:
    """Parse and serialise again, strictly (RFC 9651 §4.1): what the parameter sf means (RFC 9421 §2.1.1).

    :raises Refused: signature.component_value
    """
