"""The RFC 9421 examples that stand inside the project, over the native module and the reference."""

from types import ModuleType

import pytest

from tests.vectors.messages import candidate_of, covering, head_of
from tests.vectors.rfc9421_components import COMPONENTS, Lines
from tests.vectors.rfc9421_signatures import EXAMPLES, Example


@pytest.mark.parametrize("lines", COMPONENTS, ids=lambda lines: lines.section)
def test_component_lines(backend: ModuleType, lines: Lines) -> None:
    head = backend.parse_head(covering(head_of(lines.message), lines.lines))
    types = {name.encode(): kind for name, kind in lines.types}
    candidate = candidate_of(backend, head, "x", structured=types)
    assert candidate.reason is None
    base = candidate.base(lines.scheme.encode(), head.host).decode()
    assert tuple(base.split("\n")[:-1]) == lines.lines


@pytest.mark.parametrize("target", ["www.example.com:80", "*"])
def test_targets_that_are_never_forwarded(backend: ModuleType, target: str) -> None:
    # RFC 9421 §2.2.5 shows the base for these two; R4 refuses them before there is a base.
    method = "OPTIONS" if target == "*" else "CONNECT"
    with pytest.raises(backend.Refused) as refused:
        backend.parse_head(head_of(f"{method} {target} HTTP/1.1\nHost: www.example.com\n\n"))
    assert refused.value.reason == "request.bad_target"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.section)
def test_signature_base(backend: ModuleType, example: Example) -> None:
    head = backend.parse_head(head_of(example.message))
    candidate = candidate_of(backend, head, example.label)
    if example.section == "B.2.1":
        # It covers nothing, so it is refused (R9); all there is to see of its base is its last line.
        assert candidate.reason == "signature.empty_coverage"
        assert '"@signature-params": ' + candidate.params.decode() == example.base
    else:
        assert candidate.reason is None
        assert candidate.base(b"https", head.host).decode() == example.base


def test_signature_parameters(backend: ModuleType) -> None:
    example = next(e for e in EXAMPLES if e.section == "4.3-proxy")
    client, proxy = backend.select(backend.parse_head(head_of(example.message)))
    assert (client.label, client.created, client.keyid, client.alg) == ("sig1", 1618884475, "test-key-ecc-p256", None)
    assert (proxy.label, proxy.created, proxy.keyid, proxy.alg) == (
        "proxy_sig",
        1618884480,
        "test-key-rsa",
        "rsa-v1_5-sha256",
    )
    assert proxy.expires == 1618884540
    assert (proxy.nonce, proxy.tag) == (None, None)
    assert proxy.covers(b"forwarded")
    assert not client.covers(b"forwarded")
