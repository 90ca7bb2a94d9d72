"""Native module and reference agree on values and reasons, whatever the request."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import tests.reference as reference
from gateway import _native as native
from tests.native.requests import TYPES
from tests.outcomes import of_digest, of_ecdsa, of_head, of_select, of_structured
from tests.property.strategies import OCTETS, mutated_requests, signed_requests
from tests.reference.ecdsa import ORDERS

OPTIONS: list[dict[str, Any]] = [{}, {"structured": TYPES}, {"structured": TYPES, "capital_content_digest": True}]


@settings(max_examples=400, deadline=None)
@given(signed_requests(), st.sampled_from(OPTIONS))
def test_signed_requests(raw: bytes, options: dict[str, Any]) -> None:
    assert of_select(native, raw, **options) == of_select(reference, raw, **options)


@settings(max_examples=600, deadline=None)
@given(mutated_requests())
def test_mutated_requests(raw: bytes) -> None:
    assert of_head(native, raw) == of_head(reference, raw)
    assert of_select(native, raw) == of_select(reference, raw)
    assert of_digest(native, raw) == of_digest(reference, raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["item", "list", "dictionary"]), st.lists(OCTETS, max_size=40).map(bytes))
def test_any_octets_as_a_structured_field(kind: str, value: bytes) -> None:
    assert of_structured(native, kind, value) == of_structured(reference, kind, value)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([256, 384]), st.data())
def test_ecdsa_values(bits: int, data: st.DataObject) -> None:
    order = ORDERS[bits]
    scalar = st.one_of(st.integers(0, (1 << bits) - 1), st.sampled_from([0, 1, order - 1, order, order + 1]))
    size = bits // 8
    signature = data.draw(scalar).to_bytes(size, "big") + data.draw(scalar).to_bytes(size, "big")
    signature = signature[: data.draw(st.sampled_from([2 * size] * 5 + [0, 1, size, 2 * size - 1]))]
    assert of_ecdsa(native, signature, bits) == of_ecdsa(reference, signature, bits)
