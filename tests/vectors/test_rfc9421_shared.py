"""All RFC 9421 vectors of `../shared/vectors`, over the native module and the reference.

Excluded: responses (2.1.4-tr, 2.2.9-status, B.2.4, 2.4-reqres, 2.4-reqres-signed), which a verifier of requests never sees;
CONNECT and `OPTIONS *` (2.2.5), whose targets R4 refuses; the folded line of 2.1-fields, which R4 refuses. For HMAC (B.2.5) only
the base is compared.
"""

from types import ModuleType
from typing import Any

import pytest

from tests.vectors.messages import candidate_of, covering, head_of
from tests.vectors.shared import load, needs

pytestmark = needs("rfc9421")

VECTORS = load("rfc9421/rfc9421-vectors.json") or {"components": [], "verify": []}
REFUSED_TARGETS = {"2.2.5-request-target-connect", "2.2.5-request-target-asterisk"}


def requests(kind: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["id"])
        for vector in VECTORS[kind]
        if vector["target"] == "request" and vector["id"] not in REFUSED_TARGETS
    ]


def as_text(message: Any) -> str:
    """The message with LF; fragments get a request line and a Host, and lose their folded line."""
    fields = [(name, value) for name, value in message["headers"] if "\n" not in value]
    if "Host" not in dict(fields):
        fields.insert(0, ("Host", "www.example.com"))
    start = f"{message.get('method', 'GET')} {message.get('request_target', '/')} HTTP/1.1\n"
    lines = "".join(f"{name}: {value}\n" for name, value in fields)
    return f"{start}{lines}\n{message.get('body', '')}"


def test_exclusions_are_what_is_documented() -> None:
    responses = {v["id"] for kind in ("components", "verify") for v in VECTORS[kind] if v["target"] != "request"}
    assert responses == {"2.1.4-tr", "2.2.9-status", "B.2.4", "2.4-reqres", "2.4-reqres-signed"}
    assert len(requests("components")) == 21
    assert len(requests("verify")) == 17


@pytest.mark.parametrize("vector", requests("components"))
def test_component_lines(backend: ModuleType, vector: Any) -> None:
    expected = tuple(line for line in vector["expected_lines"] if not line.startswith('"x-obs-fold-header"'))
    head = backend.parse_head(covering(head_of(as_text(vector["message"])), expected))
    types = {name.encode(): kind for name, kind in vector.get("structured_types", {}).items()}
    base = candidate_of(backend, head, "x", structured=types).base(vector["scheme"].encode(), head.host)
    assert tuple(base.decode().split("\n")[:-1]) == expected


@pytest.mark.parametrize("vector", requests("verify"))
def test_signature_base(backend: ModuleType, vector: Any) -> None:
    head = backend.parse_head(head_of(as_text(vector["message"])))
    candidate = candidate_of(backend, head, vector["label"])
    if vector["id"] == "B.2.1":  # covers nothing: refused, and all there is of its base is the last line
        assert candidate.reason == "signature.empty_coverage"
        base = b'"@signature-params": ' + candidate.params
    else:
        base = candidate.base(vector["scheme"].encode(), head.host)
    assert base.decode() == vector["signature_base"]


def test_a_response_component_is_not_one_of_a_request(backend: ModuleType) -> None:
    (vector,) = [v for v in VECTORS["components"] if v["id"] == "2.2.9-status"]
    head = backend.parse_head(covering(head_of(as_text(vector["message"])), tuple(vector["expected_lines"])))
    assert candidate_of(backend, head, "x").reason == "signature.unknown_component"
