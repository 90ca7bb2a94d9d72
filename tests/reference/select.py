"""Which signatures a request has, and what is wrong with each whatever its key (RFC 9421 §2, §2.3, §4, R5, R8, R9)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.reference import base
from tests.reference.message import Head
from tests.reference.refused import Refused
from tests.reference.serialise import serialise_member, serialise_parameters
from tests.reference.structured import Malformed, has_duplicate, parse_verbatim

MAX_LABELS = 8
MAX_COMPONENTS = 32

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.1: field-name = token

# RFC 9421 §2.2, without @status: a request has none.
DERIVED = {"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "@query-param"}

# RFC 9421 §6.5.2, and the type that each value must have.
COMPONENT_PARAMETERS = {"sf": "true", "bs": "true", "req": "true", "tr": "true", "key": "string", "name": "string"}

# RFC 9421 §2.3
SIGNATURE_PARAMETERS = {
    "created": "time",
    "expires": "time",
    "nonce": "string",
    "alg": "string",
    "keyid": "string",
    "tag": "string",
}


@dataclass(frozen=True)
class Candidate:
    """The members that `gateway._native.Candidate` documents, with the same meaning."""

    head: Head
    structured: Mapping[bytes, str]
    label: str
    signature: bytes
    identifiers: list[Any]
    parameters: list[tuple[str, Any]]
    reason: str | None

    def _integer(self, name: str) -> int | None:
        value = dict(self.parameters).get(name)
        return value if isinstance(value, int) else None

    def _string(self, name: str) -> str | None:
        value = dict(self.parameters).get(name)
        return str(value[1]) if isinstance(value, tuple) else None

    @property
    def created(self) -> int | None:
        return self._integer("created")

    @property
    def expires(self) -> int | None:
        return self._integer("expires")

    @property
    def nonce(self) -> str | None:
        return self._string("nonce")

    @property
    def alg(self) -> str | None:
        return self._string("alg")

    @property
    def keyid(self) -> str | None:
        return self._string("keyid")

    @property
    def tag(self) -> str | None:
        return self._string("tag")

    @property
    def components(self) -> str:
        return serialise_member((self.identifiers, []))

    @property
    def params(self) -> bytes:
        return (self.components + serialise_parameters(self.parameters)).encode("ascii")

    def covers(self, name: bytes) -> bool:
        # R9: bare, that is with no parameter but sf or bs.
        wanted = name.decode("ascii")
        return any(
            component.lower() == wanted and all(key in ("sf", "bs") for key, _ in parameters)
            for (_, component), parameters in self.identifiers
        )

    def field_names(self) -> list[bytes]:
        names = [name.lower().encode("ascii") for (_, name), _ in self.identifiers if not name.startswith("@")]
        return list(dict.fromkeys(names))

    def base(self, scheme: bytes, authority: bytes) -> bytes:
        if self.reason is not None:
            raise Refused(self.reason)
        origin = base.Origin(self.head, scheme, authority, self.structured)
        return base.signature_base(origin, self.identifiers, self.params)


def select(
    head: Head, structured: Mapping[bytes, str] = base.NO_TYPES, capital_content_digest: bool = False
) -> tuple[Candidate, ...]:
    """All signatures of a request, in field order."""
    inputs = head.values(b"signature-input")
    signatures = head.values(b"signature")
    if not inputs or not signatures:
        raise Refused("signature.missing")
    covered = _dictionary(inputs, "signature.malformed_input", _is_list_of_strings)
    if len(covered) > MAX_LABELS:
        raise Refused("signature.too_many_labels")
    values = _dictionary(signatures, "signature.malformed_value", lambda member: isinstance(member[0], bytes))
    if len(values) > MAX_LABELS:
        raise Refused("signature.too_many_labels")
    if dict(covered).keys() != dict(values).keys():
        raise Refused("signature.label_mismatch")
    types = {**base.REGISTERED_TYPES, **structured}
    return tuple(
        Candidate(
            head, types, label, dict(values)[label][0], identifiers, parameters,
            _offence(identifiers, parameters, capital_content_digest),
        )
        for label, (identifiers, parameters) in covered
    )  # fmt: skip


def _dictionary(lines: list[bytes], reason: str, is_wanted: Any) -> list[tuple[str, Any]]:
    members: list[tuple[str, Any]]
    try:
        members = parse_verbatim("dictionary", b", ".join(lines))
    except Malformed as error:
        raise Refused(reason, str(error)) from None
    # An empty dictionary is one that is not sent (RFC 9651 §3.2): a field without a label cannot be what was meant.
    if not members or not all(is_wanted(member) for _, member in members):
        raise Refused(reason)
    if has_duplicate(members):
        raise Refused("signature.duplicate_label")
    return members


def _is_list_of_strings(member: Any) -> bool:
    content, _ = member
    return isinstance(content, list) and all(_is_a(value, "string") for value, _ in content)


def _is_a(value: Any, kind: str) -> bool:
    if kind == "true":
        return value is True
    if kind == "time":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, tuple) and value[0] == kind


def _offence(identifiers: list[Any], parameters: list[tuple[str, Any]], capital_content_digest: bool) -> str | None:
    """The first thing that is wrong with one signature, in the order of the contract."""
    if len(identifiers) > MAX_COMPONENTS:
        return "signature.too_many_components"
    if not identifiers:
        return "signature.empty_coverage"
    offences = [*_component_offences(identifiers, capital_content_digest), *_parameter_offences(parameters)]
    return offences[0] if offences else None


def _component_offences(identifiers: list[Any], capital_content_digest: bool) -> Iterator[str]:
    seen: list[Any] = []
    for (_, name), parameters in identifiers:
        # RFC 9421 §2.1: field names are lower-case; the one leniency is for devices that follow Margo's text.
        if name != name.lower() and not (capital_content_digest and name.lower() == "content-digest"):
            yield "signature.component_case"
        if name not in DERIVED if name.startswith("@") else not TOKEN.fullmatch(name):
            yield "signature.unknown_component"
        yield from _component_parameter_offences(parameters)
        if not _fits(name, parameters):
            yield "signature.bad_component_parameter"
        # RFC 9421 §2: the order of parameters does not make another identifier; nor do capitals where they are let through.
        identity = (name.lower(), sorted(parameters, key=lambda pair: pair[0]))
        if identity in seen:
            yield "signature.duplicate_component"
        seen.append(identity)


def _component_parameter_offences(parameters: list[tuple[str, Any]]) -> Iterator[str]:
    seen = set()
    for key, _ in parameters:
        if key in seen:
            yield "signature.duplicate_parameter"
        seen.add(key)
        if key == "req":  # RFC 9421 §2.4: only a response can be bound to a request.
            yield "signature.request_component"
        if key == "tr":  # Trailers are dropped here (R4), so none can be covered (R9).
            yield "signature.trailer_component"
        if key not in COMPONENT_PARAMETERS:
            yield "signature.unknown_component_parameter"


def _fits(name: str, parameters: list[tuple[str, Any]]) -> bool:
    """May these parameters stand together, on this component, with these values? (RFC 9421 §2.1, §2.2.8)"""
    keys = {key for key, _ in parameters}
    if not all(_is_a(value, COMPONENT_PARAMETERS.get(key, "true")) for key, value in parameters):
        return False
    if "bs" in keys and keys & {"sf", "key"}:
        return False
    if name.startswith("@") and keys & {"sf", "key", "bs"}:
        return False
    return (name == "@query-param") == ("name" in keys)


def _parameter_offences(parameters: list[tuple[str, Any]]) -> Iterator[str]:
    seen = set()
    for key, value in parameters:
        if key in seen:
            yield "signature.duplicate_parameter"
        seen.add(key)
        if key in SIGNATURE_PARAMETERS and not _is_a(value, SIGNATURE_PARAMETERS[key]):
            yield "signature.bad_parameter"
