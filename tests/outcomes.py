"""What a backend makes of an input, as one comparable value: everything it read, or the reason for which it refused."""

import hashlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

SCHEME = b"https"
AUTHORITY = b"wfm.example.com"
BODY = b"{}"


def outcome(backend: ModuleType, function: Callable[[], Any]) -> Any:
    """The value of `function`, or `("refused", reason)`. Any other exception is a crash and passes through."""
    try:
        return function()
    except backend.Refused as refused:
        return "refused", str(refused.reason)


def of_head(backend: ModuleType, raw: bytes) -> Any:
    """`parse_head` with all that a head knows."""
    return outcome(backend, lambda: head_facts(backend.parse_head(raw)))


def head_facts(head: Any) -> dict[str, Any]:
    return {
        "method": head.method,
        "target": head.target,
        "path": head.path,
        "query": head.query,
        "absolute": head.absolute,
        "host": head.host,
        "minor": head.minor,
        "content_length": head.content_length,
        "chunked": head.chunked,
        "keep_alive": head.keep_alive,
        "expects_continue": head.expects_continue,
        "field_count": head.field_count,
        "fields": head.fields(),
        "values": [head.values(name.lower()) for name, _ in head.fields()],
        "reserved": head.reserved(),
    }


def of_select(backend: ModuleType, raw: bytes, **options: Any) -> Any:
    """`select` over a head, with all that each candidate knows, bases included."""

    def facts() -> Any:
        return [candidate_facts(backend, candidate) for candidate in backend.select(backend.parse_head(raw), **options)]

    return outcome(backend, facts)


def candidate_facts(backend: ModuleType, candidate: Any) -> dict[str, Any]:
    facts = {"label": candidate.label, "signature": candidate.signature, "reason": candidate.reason}
    if candidate.reason is None:
        names = [b"@method", b"@query-param", b"host", b"content-digest", *candidate.field_names()]
        facts |= {
            "created": candidate.created,
            "expires": candidate.expires,
            "nonce": candidate.nonce,
            "alg": candidate.alg,
            "keyid": candidate.keyid,
            "tag": candidate.tag,
            "components": candidate.components,
            "params": candidate.params,
            "field_names": candidate.field_names(),
            "covers": [candidate.covers(name) for name in names],
        }
    facts["base"] = outcome(backend, lambda: candidate.base(SCHEME, AUTHORITY))
    return facts


def of_digest(backend: ModuleType, raw: bytes) -> Any:
    """`parse_digest` over a head, and what it says of BODY."""

    def facts() -> Any:
        digest = backend.parse_digest(backend.parse_head(raw))
        if digest is None:
            return None
        sha256, sha512 = hashlib.sha256(BODY).digest(), hashlib.sha512(BODY).digest()
        matches = [digest.matches(a, b) for a in (None, sha256) for b in (None, sha512)]
        return digest.sha256, digest.sha512, digest.known, matches

    return outcome(backend, facts)


def of_structured(backend: ModuleType, kind: str, value: bytes) -> Any:
    """`parse_structured` and `serialise_structured`."""
    return outcome(backend, lambda: (backend.parse_structured(kind, value), backend.serialise_structured(kind, value)))


def of_ecdsa(backend: ModuleType, signature: bytes, bits: int) -> Any:
    """`ecdsa_der`."""
    return outcome(backend, lambda: backend.ecdsa_der(signature, bits))
