"""The contract of the native module: what happens on every request and touches every byte, and nothing else."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from mmap import mmap
from typing import Any, Final, Self, final

from typing_extensions import disjoint_base

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

@disjoint_base
class MessageReader:
    """Finds where heads, bodies, chunks and trailers begin and end; what becomes of them is for its kinds."""

@final
class WireReader(MessageReader):
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

def forward_fields(
    head: Head, candidate: Candidate | None, allowed: Collection[bytes] | None, without: bytes | None = None
) -> bytes:
    """The field lines that go on to the backend: hop-by-hop ones (RFC 9110 §7.6.1) and those of R15 removed, Host,
    Content-Length and Transfer-Encoding left out (the caller sets them), the rest in order.

    :param candidate: the verified signature, whose covered fields no Connection option can remove
    :param allowed: lower-case names that may pass beside Signature, Signature-Input and Content-Digest; None for all
    :param without: one more lower-case name that does not go on, unless `candidate` covers it
    :returns: the lines as octets, each with its CRLF
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

def parse_answer(raw: bytes) -> tuple[int, bytes, int, bool, bool, bool]:
    """Judge the whole head of a backend's answer, as `Pool` does.

    :returns: status; status line and the field lines that may go on, each with CRLF, without an empty line (hop-by-hop
        and `Wfm-` fields are left out); Content-Length or -1; is it chunked; has it a Date; may the connection be kept
    :raises Refused: upstream.bad_answer
    """

@disjoint_base
class AnswerSink:
    """Whoever waits for one answer of the backend. `ended` True comes once, or `answer_failed`; nothing afterwards.

    A method that raises ends the exchange with `answer_failed("internal.error", traceback)`.
    """

    def answer_begun(
        self,
        status: int,
        head: bytes,
        has_date: bool,
        content_length: int,
        has_body: bool,
        data: bytes,
        ended: bool,
    ) -> object:
        """The final head is there (1xx answers are skipped).

        :param head: as `parse_answer` returns it
        :param content_length: -1 if there is none: chunked, or up to the end of the connection
        :param has_body: False for answers to HEAD, 204 and 304, whatever their fields say
        :param data: decoded content that came with the head
        """
    def answer_data(self, data: bytes, ended: bool) -> object:
        """Further decoded content; the end may come alone, with `b""`."""
    def answer_failed(self, reason: str, detail: str) -> object:
        """There is no answer, or no rest of it: upstream.unreachable, timeout, bad_answer, or internal.error."""
    def can_write(self) -> object:
        """A streamed body may go on."""

@final
class Sending:
    """One request on its way, as `Pool.send` returns it."""

    touched: bool
    """An octet was handed to the backend's connection (R13)."""
    timed_out: bool
    """What failed took too long."""
    def write(self, data: bytes) -> bool:
        """Send a piece of a streamed body; False: wait for `can_write` before the next."""
    def finish(self) -> None:
        """The streamed body is whole: its last octet was written."""
    def pause_reading(self) -> None:
        """Take no more of the answer for now: the client does not keep up. What is being read still comes."""
    def resume_reading(self) -> None: ...
    def abort(self) -> None:
        """Nobody waits any longer: the connection is thrown away, the sink hears nothing more."""

@final
class BackendConnection:
    """One connection of a pool: the protocol that its transport talks to. Made by `Pool.connection`."""

    def connection_made(self, transport: Any) -> None: ...
    def connection_lost(self, error: BaseException | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...

@final
class Pool:
    """The connections to one backend: at most `connections`, one request at a time on each, kept for `keep_alive_s`.

    It keeps no clock: `tick` tells it how much time has passed.
    """

    waiting: int
    """Requests that have no connection yet."""
    connecting: int
    """Connections that are being made for them."""
    connect_timeout_s: float
    response_timeout_s: float
    """From the last octet of the request to the first of the answer, and for a backend that takes no more of a body."""
    idle_timeout_s: float
    """Between two pieces of an answer."""
    keep_alive_s: float
    def __init__(
        self,
        connect: Callable[[], object],
        connections: int,
        connect_timeout_s: float,
        response_timeout_s: float,
        idle_timeout_s: float,
        keep_alive_s: float,
        tick_s: float,
    ) -> None:
        """
        :param connect: starts one attempt to connect a `connection()`; whatever its end is, it tells it:
            `connection_made`, or `connect_failed`
        :param tick_s: how often `tick` is called; timeouts are late by at most twice this, never early
        """
    open: int
    """Connections that are open."""
    in_flight: int
    """Those of them that carry a request."""
    def connection(self) -> Any:
        """The protocol of a new connection: a `BackendConnection`, for the loop's `create_connection`."""
    def send(self, head: bytes, body: bytes, streamed: bool, head_only: bool, sink: AnswerSink) -> Sending:
        """Send a request on a connection that is free and alive, or on the next that is. Never calls the sink itself.

        :param head: whole, with its empty line and, where there is a body, its Content-Length
        :param body: in memory; b"" if there is none
        :param streamed: (more of) the body comes with `Sending.write` and ends with `Sending.finish`
        :param head_only: the method is HEAD: its answer has no content
        """
    def connect_failed(self, reason: str, detail: str, again: bool) -> None:
        """An attempt has ended without a connection; whoever waits longest bears it, unless it may be made again."""
    def tick(self, elapsed_s: float) -> None:
        """So much time has passed since the last call: end what has waited too long."""
    def close(self) -> None:
        """End all connections; requests that are under way fail."""

@final
class PackedTable:
    """Values by key outside of Python's objects, in the order of their use: what L1 is made of.

    A record costs its octets and about 90 more; the garbage collector sees none of them.
    """

    octets: int
    """Memory that all entries take, in octets."""
    def __len__(self) -> int: ...
    def get(self, key: bytes) -> bytes | None:
        """A copy of the value, which counts as used now."""
    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value in the place of the one before, if there is one; it counts as used now.

        :raises ValueError: a key of more than 65,535 octets or a value of more than 16,777,215
        """
    def remove(self, key: bytes) -> bool:
        """Forget an entry; was there one?"""
    def oldest_key(self) -> bytes | None:
        """Key of the entry that was not used for the longest time."""
    def clear(self) -> None:
        """Forget all."""

HISTOGRAM_BOUNDS_S: Final[tuple[float, ...]]
"""Upper bounds of a histogram's buckets in seconds, ascending; the last bucket has none."""

HISTOGRAM_SLOTS: Final[int]
"""Numbers that one histogram takes: its buckets, each for itself, and the sum in nanoseconds."""

@final
class Laps:
    """How long one request spent in each stage; the clock runs from the making of this."""

    def lap(self, stage: int) -> int:
        """What has passed since the last lap was spent in `stage`, 0 to 7; a stage may come again."""

    def spent_s(self, stage: int) -> float | None:
        """Seconds in one stage; None if it was not entered."""

    def milliseconds(self, stages: tuple[str, ...]) -> dict[str, float]:
        """Milliseconds up to now as `total`, and those of each stage that was entered under its name; whole
        microseconds."""

    def total_s(self) -> float:
        """Seconds since this was made."""

@final
class Counters:
    """Adds to 64-bit numbers in memory that another process may read at any time. An index outside is an IndexError.

    :param page: writable, aligned to 8 octets; it stays in use as long as this object
    """

    def __new__(cls, page: mmap | memoryview | bytearray) -> Self: ...
    def add(self, index: int, amount: int = 1) -> int:
        """Add to one number."""

    def set(self, index: int, value: int) -> None:
        """Put a number in its place."""

    def get(self, index: int) -> int:
        """One number."""

    def observe(self, index: int, seconds: float) -> None:
        """Add a duration to the histogram that begins at `index`.

        :raises ValueError: negative, not a number, or beyond 30 years
        """

    def finish(self, laps: Laps, request: int, verdict: int, duration: int, stages: int) -> int:
        """One request has ended: one more at `request` and at `verdict`, its time up to now in the histogram at
        `duration`, and each stage that it entered in that of the eight histograms from `stages` on. Once per `laps`:
        later calls do nothing."""

@final
class Content:
    """Content of one message: what has arrived of it, without framing, and how it stands."""

    waiting: int
    """Octets that have arrived and were not taken."""
    total: int
    """Octets that have arrived."""
    ended: bool
    """All of it has arrived."""
    fault: Refused | None
    """What it broke off with; None as long as it did not."""

@final
class ContentReader(MessageReader):
    """Strict reader for native connections: heads, and content without framing."""

@final
class InboundConnection(asyncio.Protocol):
    """One inbound connection: strict reading, one request at a time, bounded buffers, deadlines (R4, R5).

    It hands each request to the driver of its server, and tells what that returns what happens to it,
    until `finish` is called.
    """

    peer: Any
    """Who was announced, else what `peer_of` said."""
    announced: Any
    """Set before the connection is made, if somebody before it said who the peer is."""
    content: Content
    """Of the request in progress."""
    paused: bool
    """The client takes less than is written: write no more. It is cut after the idle timeout."""
    gone: bool
    """The connection is lost."""
    @property
    def closing(self) -> bool:
        """The gateway shuts down and this is the last answer on the connection: it should say so."""
    def take_content(self) -> bytes:
        """What has arrived of the body."""
    def want_body(self, limit: int) -> None:
        """Tell the request of everything that arrives of its body, and let up to `limit` octets of it wait."""
    def leave_body(self) -> None:
        """No longer tell it."""
    def write(self, data: bytes) -> None:
        """Send octets to the client; without effect if it is gone."""
    def finish(self, keep_alive: bool, unread: bool) -> None:
        """The answer is written: go on with the next request, or close.

        :param unread: something of the request was not read; what still comes is thrown away within bounds (R4)
        """
    def close(self) -> None:
        """End the connection in good order, once what was written has left."""
    def cut(self) -> None:
        """End the connection so that nobody can take it for the end of a message: with a reset."""
    def read_on(self) -> None:
        """Read what was held back while the request before it was answered."""

@final
class InboundServer:
    """All inbound connections of one worker, and the one timer that serves them; a protocol factory.

    :param driver: its `begin(connection, head, content, refused, too_late)` returns a `gateway.proxy.needs.Following`.
        `head` is None where `refused` says why there is none; `too_late`: it arrived after the shutdown began
    :param peer_of: who is at the other end of a transport, as the driver wants to know it
    :param tell_full: told of a peer whose connection was refused, because there are as many as may be
    :param connections: how many there may be
    """

    loop: asyncio.AbstractEventLoop
    connections: set[InboundConnection]
    draining: bool
    accepted: int
    """Connections that were taken."""
    refused: int
    """Connections that were closed at once for want of room."""
    requests: int
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        driver: Any,
        peer_of: Callable[[asyncio.BaseTransport], Any],
        tell_full: Callable[[Any], None],
        connections: int,
        head_limit_bytes: int,
        head_timeout_s: float,
        body_timeout_s: float,
        idle_timeout_s: float,
        linger_s: float,
        fresh_s: float,
    ) -> None: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> InboundConnection:
        """A connection for one accepted socket."""
    @property
    def open(self) -> int:
        """Connections there are."""
    @property
    def busy(self) -> bool:
        """Is any connection not idle?"""
    def drain(self, patiently: bool = False) -> None:
        """Close idle connections, or `patiently` let each bring one more request; the others finish what they have
        begun."""
    def cut(self) -> None:
        """End what is still open, finished or not."""
    def pass_time(self) -> None:
        """One tick has passed: look for what is late."""
