"""Which signatures a request has, and the reasons for which one field, or one signature, cannot be used (RFC 9421 §4, R5, R8, R9)."""

from types import ModuleType
from typing import Any

import pytest

from tests.native.requests import covering, signed
from tests.outcomes import of_select

ONE = b'("@method")'
OK = b"a=:AA==:"


def labels(count: int, value: bytes) -> bytes:
    return b", ".join(b"l%d=%s" % (index, value) for index in range(count))


FIELD_REASONS = {
    "neither": ([], [], "signature.missing"),
    "input-alone": ([b"a=" + ONE], [], "signature.missing"),
    "signature-alone": ([], [OK], "signature.missing"),
    "input-syntax": ([b"a=(" + ONE], [OK], "signature.malformed_input"),
    "input-trailing-comma": ([b"a=" + ONE + b","], [OK], "signature.malformed_input"),
    "input-item": ([b'a="@method"'], [OK], "signature.malformed_input"),
    "input-true": ([b"a"], [OK], "signature.malformed_input"),
    "input-token-inside": ([b"a=(host)"], [OK], "signature.malformed_input"),
    "input-integer-inside": ([b'a=("@method" 1)'], [OK], "signature.malformed_input"),
    "input-empty": ([b""], [OK], "signature.malformed_input"),
    "input-empty-line": ([b"a=" + ONE, b""], [OK], "signature.malformed_input"),
    "input-capital-label": ([b"A=" + ONE], [OK], "signature.malformed_input"),
    "input-not-ascii": ([b'a=("\xc3\xa4")'], [OK], "signature.malformed_input"),
    "input-tab": ([b'a=("@method"\t"@path")'], [OK], "signature.malformed_input"),
    "input-second-line": ([b'a=("@method"', b'"@path")'], [OK], "signature.malformed_input"),
    "value-syntax": ([b"a=" + ONE], [b"a=:AA=="], "signature.malformed_value"),
    "value-string": ([b"a=" + ONE], [b'a="AA=="'], "signature.malformed_value"),
    "value-token": ([b"a=" + ONE], [b"a=AA=="], "signature.malformed_value"),
    "value-true": ([b"a=" + ONE], [b"a"], "signature.malformed_value"),
    "value-list": ([b"a=" + ONE], [b"a=(:AA==:)"], "signature.malformed_value"),
    "value-padding": ([b"a=" + ONE], [b"a=:AA:"], "signature.malformed_value"),
    "value-pad-bits": ([b"a=" + ONE], [b"a=:AB==:"], "signature.malformed_value"),
    "value-url-alphabet": ([b"a=" + ONE], [b"a=:-_==:"], "signature.malformed_value"),
    "value-empty": ([b"a=" + ONE], [b""], "signature.malformed_value"),
    "other-label": ([b"a=" + ONE], [b"b=:AA==:"], "signature.label_mismatch"),
    "more-inputs": ([b"a=" + ONE + b", b=" + ONE], [OK], "signature.label_mismatch"),
    "more-values": ([b"a=" + ONE], [b"a=:AA==:, b=:AA==:"], "signature.label_mismatch"),
    "input-twice": ([b"a=" + ONE + b", a=" + ONE], [OK], "signature.duplicate_label"),
    "input-twice-two-lines": ([b"a=" + ONE, b"a=" + ONE], [OK], "signature.duplicate_label"),
    "value-twice": ([b"a=" + ONE], [OK, OK], "signature.duplicate_label"),
    "both-twice": ([b"a=" + ONE + b", a=" + ONE], [OK, OK], "signature.duplicate_label"),
    "nine": ([labels(9, ONE)], [labels(9, b":AA==:")], "signature.too_many_labels"),
    "nine-inputs": ([labels(9, ONE)], [OK], "signature.too_many_labels"),
    "nine-values": ([b"l0=" + ONE], [labels(9, b":AA==:")], "signature.too_many_labels"),
    # Where several things are wrong: syntax, then duplicates, then their number; Signature-Input before Signature.
    "syntax-before-duplicate": ([b"a=" + ONE + b", a=" + ONE + b", ("], [OK], "signature.malformed_input"),
    "type-before-duplicate": ([b"a=" + ONE + b", a=" + ONE + b", b=1"], [OK], "signature.malformed_input"),
    "syntax-before-number": ([labels(12, ONE) + b", ("], [OK], "signature.malformed_input"),
    "duplicate-before-number": ([labels(12, ONE) + b", l0=" + ONE], [OK], "signature.duplicate_label"),
    "input-before-value": ([b"a=" + ONE + b", a=" + ONE], [b"("], "signature.duplicate_label"),
    "number-before-value": ([labels(9, ONE)], [b"("], "signature.too_many_labels"),
    "value-before-labels": ([b"a=" + ONE], [b"b=("], "signature.malformed_value"),
    "bad-candidate-hides-nothing": ([b'a=("Host"), b=("@method" x)'], [OK], "signature.malformed_input"),
}


@pytest.mark.parametrize(("inputs", "signatures", "reason"), FIELD_REASONS.values(), ids=FIELD_REASONS)
def test_field_reasons(backend: ModuleType, inputs: list[bytes], signatures: list[bytes], reason: str) -> None:
    assert of_select(backend, signed(inputs, signatures)) == ("refused", reason)


CANDIDATE_REASONS = [
    # RFC 9421 §2.1: names are lower-case.
    (b'"Host"', b"", "signature.component_case"),
    (b'"Content-Digest"', b"", "signature.component_case"),
    (b'"@Method"', b"", "signature.component_case"),
    (b'"Host";req', b"", "signature.component_case"),
    # RFC 9421 §2.2, and RFC 9110 §5.1 for the names of fields.
    (b'"@status"', b"", "signature.unknown_component"),
    (b'"@signature-params"', b"", "signature.unknown_component"),
    (b'"@"', b"", "signature.unknown_component"),
    (b'"@status";req', b"", "signature.unknown_component"),
    (b'""', b"", "signature.unknown_component"),
    (b'"a b"', b"", "signature.unknown_component"),
    (b'"a:b"', b"", "signature.unknown_component"),
    (b'"a\\"b"', b"", "signature.unknown_component"),
    # RFC 9421 §2.4 and §2.1.4, R9.
    (b'"@method";req', b"", "signature.request_component"),
    (b'"@method";req=?0', b"", "signature.request_component"),
    (b'"host";tr', b"", "signature.trailer_component"),
    (b'"host";tr;req', b"", "signature.trailer_component"),
    (b'"host";req;tr', b"", "signature.request_component"),
    (b'"host";foo', b"", "signature.unknown_component_parameter"),
    (b'"host";foo;req', b"", "signature.unknown_component_parameter"),
    (b'"host";sf;sf', b"", "signature.duplicate_parameter"),
    (b'"host";key="a";key="b"', b"", "signature.duplicate_parameter"),
    # RFC 9421 §2.1, §2.2.8: what does not fit together.
    (b'"host";sf=?0', b"", "signature.bad_component_parameter"),
    (b'"host";sf=1', b"", "signature.bad_component_parameter"),
    (b'"host";bs="x"', b"", "signature.bad_component_parameter"),
    (b'"host";key', b"", "signature.bad_component_parameter"),
    (b'"host";key=a', b"", "signature.bad_component_parameter"),
    (b'"host";bs;sf', b"", "signature.bad_component_parameter"),
    (b'"host";bs;key="a"', b"", "signature.bad_component_parameter"),
    (b'"host";name="a"', b"", "signature.bad_component_parameter"),
    (b'"@method";sf', b"", "signature.bad_component_parameter"),
    (b'"@method";bs', b"", "signature.bad_component_parameter"),
    (b'"@method";key="a"', b"", "signature.bad_component_parameter"),
    (b'"@query";name="a"', b"", "signature.bad_component_parameter"),
    (b'"@query-param"', b"", "signature.bad_component_parameter"),
    (b'"@query-param";name', b"", "signature.bad_component_parameter"),
    (b'"@query-param";name=x', b"", "signature.bad_component_parameter"),
    (b'"@query-param";name="x";bs', b"", "signature.bad_component_parameter"),
    # RFC 9421 §2: each identifier once, whatever the order of its parameters.
    (b'"host" "host"', b"", "signature.duplicate_component"),
    (b'"@method" "@path" "@method"', b"", "signature.duplicate_component"),
    (b'"x-dict";sf;key="a" "x-dict";key="a";sf', b"", "signature.duplicate_component"),
    (b'"host" "host";sf "x-dict";key="a" "x-dict";key="b"', b"", None),
    # The first offence from left to right counts.
    (b'"host" "host" "Host"', b"", "signature.duplicate_component"),
    (b'"host" "Host" "host"', b"", "signature.component_case"),
    (b'"Host"', b";created=x", "signature.component_case"),
    (b"", b"", "signature.empty_coverage"),
    (b"", b";created=x", "signature.empty_coverage"),
    # RFC 9421 §2.3
    (b'"host"', b";created=x", "signature.bad_parameter"),
    (b'"host"', b";created=-1", "signature.bad_parameter"),
    (b'"host"', b";created=1.0", "signature.bad_parameter"),
    (b'"host"', b";created=@1", "signature.bad_parameter"),
    (b'"host"', b";created", "signature.bad_parameter"),
    (b'"host"', b';expires="1"', "signature.bad_parameter"),
    (b'"host"', b";nonce=a", "signature.bad_parameter"),
    (b'"host"', b";alg=ed25519", "signature.bad_parameter"),
    (b'"host"', b";keyid=:AA==:", "signature.bad_parameter"),
    (b'"host"', b";tag", "signature.bad_parameter"),
    (b'"host"', b";created=1;created=1", "signature.duplicate_parameter"),
    (b'"host"', b";foo;foo", "signature.duplicate_parameter"),
    (b'"host"', b";created=1;created=x", "signature.duplicate_parameter"),
    (b'"host"', b";created=x;created=1", "signature.bad_parameter"),
    (b'"host"', b";created=0;expires=999999999999999;foo;bar=?0", None),
]


@pytest.mark.parametrize(("components", "parameters", "reason"), CANDIDATE_REASONS)
def test_candidate_reasons(backend: ModuleType, components: bytes, parameters: bytes, reason: str | None) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(components, parameters)))
    assert candidate.reason == reason


@pytest.mark.parametrize(("count", "reason"), [(32, None), (33, "signature.too_many_components")])
def test_number_of_components(backend: ModuleType, count: int, reason: str | None) -> None:
    # R5
    components = b" ".join(b'"h%d"' % index for index in range(count))
    (candidate,) = backend.select(backend.parse_head(covering(components)))
    assert candidate.reason == reason


def test_too_many_components_win_over_all_else(backend: ModuleType) -> None:
    raw = covering(b" ".join([b'"Host";foo;foo'] * 33), b";created=x")
    (candidate,) = backend.select(backend.parse_head(raw))
    assert candidate.reason == "signature.too_many_components"


def test_a_candidate_with_a_reason_has_no_base(backend: ModuleType) -> None:
    (candidate,) = backend.select(backend.parse_head(covering(b'"Host"')))
    with pytest.raises(backend.Refused) as refused:
        candidate.base(b"https", b"wfm.example.com")
    assert refused.value.reason == "signature.component_case"


def test_one_bad_signature_leaves_the_other_alone(backend: ModuleType) -> None:
    # R8
    raw = signed([b'bad=("Host"), good=("host");created=1'], [b"good=:AQ==:, bad=:AA==:"])
    bad, good = backend.select(backend.parse_head(raw))
    assert (bad.label, bad.reason, bad.signature) == ("bad", "signature.component_case", b"\x00")
    assert (good.label, good.reason, good.signature) == ("good", None, b"\x01")


def test_candidates_come_in_the_order_of_signature_input(backend: ModuleType) -> None:
    raw = signed([b"b=" + ONE, b"c=" + ONE + b" ,\ta=" + ONE], [b"a=:AA==:, b=:AQ==:;ignored=1", b"c=:Ag==:"])
    found = [(c.label, c.signature) for c in backend.select(backend.parse_head(raw))]
    assert found == [("b", b"\x01"), ("c", b"\x02"), ("a", b"\x00")]


def test_all_parameters(backend: ModuleType) -> None:
    raw = covering(
        b'"@method"   "x-dict";key="a" ',
        b';tag="t";created=01; expires=2;foo=1.50;nonce="a\\"b\\\\";alg="x";keyid="";z=?1;d=%"%c3%a4";t=a/b;b=:AA==:',
    )
    (candidate,) = backend.select(backend.parse_head(raw))
    assert candidate.reason is None
    assert (candidate.created, candidate.expires, candidate.tag) == (1, 2, "t")
    assert (candidate.nonce, candidate.alg, candidate.keyid) == ('a"b\\', "x", "")
    assert candidate.components == '("@method" "x-dict";key="a")'
    # In the order received, each value in its one serialisation (RFC 9651 §4.1).
    assert candidate.params == (
        b'("@method" "x-dict";key="a");tag="t";created=1;expires=2;foo=1.5;nonce="a\\"b\\\\";alg="x";keyid="";z'
        b';d=%"%c3%a4";t=a/b;b=:AA==:'
    )


def test_covers_only_bare_components(backend: ModuleType) -> None:
    # R9: sf and bs are bare enough.
    components = (
        b'"content-digest";key="sha-256" "x-a";bs "x-dict";sf "@path" "x-item";sf;key="a" "@query-param";name="x"'
    )
    (candidate,) = backend.select(backend.parse_head(covering(components)))
    covered = {name: candidate.covers(name) for name in (b"x-a", b"x-dict", b"@path")}
    assert all(covered.values())
    names = (b"content-digest", b"x-item", b"@query-param", b"@method", b"host", b"x-", b"")
    assert not any(candidate.covers(name) for name in names)


def test_field_names(backend: ModuleType) -> None:
    (candidate,) = backend.select(
        backend.parse_head(covering(b'"x-a" "@path" "x-dict";key="a" "x-dict";key="b" "host"'))
    )
    assert candidate.field_names() == [b"x-a", b"x-dict", b"host"]


def capital(backend: ModuleType, components: bytes) -> Any:
    head = backend.parse_head(covering(components))
    (candidate,) = backend.select(head, capital_content_digest=True)
    return candidate


def test_capital_content_digest(backend: ModuleType) -> None:
    # Margo's text writes "Content-Digest"; the leniency takes it as it came, with the value of content-digest.
    candidate = capital(backend, b'"Content-Digest" "@method"')
    assert candidate.reason is None
    assert candidate.covers(b"content-digest")
    assert candidate.field_names() == [b"content-digest"]
    assert candidate.components == '("Content-Digest" "@method")'
    assert candidate.base(b"https", b"wfm.example.com") == (
        b'"Content-Digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\n'
        b'"@method": POST\n'
        b'"@signature-params": ("Content-Digest" "@method")'
    )
    assert capital(backend, b'"content-digest" "Content-Digest"').reason == "signature.duplicate_component"
    assert capital(backend, b'"Content-digest"').reason is None
    assert capital(backend, b'"Content-Type"').reason == "signature.component_case"
