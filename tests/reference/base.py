"""The signature base (RFC 9421 §2.5): one line per covered component, and the line of the parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tests.reference.message import Head
from tests.reference.refused import Refused
from tests.reference.serialise import serialise_bare, serialise_item, serialise_member
from tests.reference.structured import parse_structured, serialise_structured

NO_TYPES: Final[Mapping[bytes, str]] = MappingProxyType({})

# Fields that are structured by their definition.
REGISTERED_TYPES: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"accept-ch": "list",  # RFC 8942 §3.1
        b"accept-signature": "dictionary",  # RFC 9421 §5.1
        b"cache-status": "list",  # RFC 9211 §2
        b"capsule-protocol": "item",  # RFC 9297 §3.4
        b"cdn-cache-control": "dictionary",  # RFC 9213 §2.1
        b"client-cert": "item",  # RFC 9440 §2.2
        b"client-cert-chain": "list",  # RFC 9440 §2.3
        b"content-digest": "dictionary",  # RFC 9530 §2
        b"cross-origin-embedder-policy": "item",  # HTML, COEP
        b"cross-origin-opener-policy": "item",  # HTML, COOP
        b"deprecation": "item",  # RFC 9745 §2
        b"idempotency-key": "item",  # draft-ietf-httpapi-idempotency-key-header
        b"origin-agent-cluster": "item",  # HTML, origin-keyed agent clusters
        b"permissions-policy": "dictionary",  # W3C Permissions Policy
        b"priority": "dictionary",  # RFC 9218 §5
        b"proxy-status": "list",  # RFC 9209 §2
        b"repr-digest": "dictionary",  # RFC 9530 §3
        b"signature": "dictionary",  # RFC 9421 §4.2
        b"signature-input": "dictionary",  # RFC 9421 §4.1
        b"want-content-digest": "dictionary",  # RFC 9530 §4
        b"want-repr-digest": "dictionary",  # RFC 9530 §4
    }
)

# WHATWG URL, "application/x-www-form-urlencoded percent-encode set": what it leaves alone.
UNRESERVED: Final = b"*-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Origin:
    """A request and how the signer saw where it goes (R7)."""

    head: Head
    scheme: bytes
    authority: bytes
    types: Mapping[bytes, str]


def signature_base(origin: Origin, identifiers: list[Any], params: bytes) -> bytes:
    """RFC 9421 §2.5; the last line has no line feed."""
    lines = []
    for identifier in identifiers:
        (_, name), parameters = identifier
        value = component_value(origin, name, dict(parameters))
        lines.append(serialise_item(identifier).encode("ascii") + b": " + value)
    lines.append(b'"@signature-params": ' + params)
    return b"\n".join(lines)


def component_value(origin: Origin, name: str, parameters: dict[str, Any]) -> bytes:
    """The value of one component (RFC 9421 §2.1, §2.2)."""
    head = origin.head
    query = b"" if head.query is None else b"?" + head.query
    if name == "@method":  # §2.2.1
        return head.method
    if name == "@target-uri":  # §2.2.2
        return origin.scheme + b"://" + origin.authority + head.path + query
    if name == "@authority":  # §2.2.3
        return origin.authority
    if name == "@scheme":  # §2.2.4
        return origin.scheme
    if name == "@request-target":  # §2.2.5
        return head.target
    if name == "@path":  # §2.2.6
        return head.path
    if name == "@query":  # §2.2.7
        return query or b"?"
    if name == "@query-param":  # §2.2.8
        return _query_parameter(head.query, parameters["name"][1])
    return _field(origin, name.lower().encode("ascii"), parameters)


def _query_parameter(query: bytes | None, wanted: str) -> bytes:
    # §2.2.8: parsed as a form (WHATWG URL §5.1), encoded again; `wanted` is the encoded name.
    found = []
    for sequence in (query or b"").split(b"&"):
        if sequence:
            name, _, value = sequence.partition(b"=")
            if _recode(name).decode("ascii") == wanted:
                found.append(_recode(value))
    if not found:
        raise Refused("signature.component_missing", wanted)
    if len(found) > 1:
        raise Refused("signature.component_value", wanted)
    return found[0]


def _recode(part: bytes) -> bytes:
    octets = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), part.replace(b"+", b" "))
    # "UTF-8 decode without BOM" puts U+FFFD where octets are not UTF-8.
    octets = octets.decode("utf-8", "replace").encode("utf-8")
    return b"".join(bytes([octet]) if octet in UNRESERVED else b"%%%02X" % octet for octet in octets)


def _field(origin: Origin, name: bytes, parameters: dict[str, Any]) -> bytes:
    # §2.1: the values of all lines, trimmed, joined by a comma and a space.
    if "sf" in parameters and "key" not in parameters and name not in origin.types:
        raise Refused("signature.bad_component_parameter", "type of the field is not known")
    values = origin.head.values(name)
    if not values:
        raise Refused("signature.component_missing", name.decode("ascii"))
    if "bs" in parameters:  # §2.1.3
        return b", ".join(serialise_bare(value).encode("ascii") for value in values)
    joined = b", ".join(values)
    if "key" in parameters:  # §2.1.2
        members = dict(parse_structured("dictionary", joined))
        key = parameters["key"][1]
        if key not in members:
            raise Refused("signature.component_missing", key)
        return serialise_member(members[key]).encode("ascii")
    if "sf" in parameters:  # §2.1.1
        return serialise_structured(origin.types[name], joined)
    # §2.1: a value that is not ASCII cannot be in the base; bs is the way to sign it.
    if not re.fullmatch(rb"[\t -~]*", joined):
        raise Refused("signature.component_value", name.decode("ascii"))
    return joined
