"""What one side serialises the other reads back, and a serialisation is its own serialisation (RFC 9651 §4)."""

from decimal import Decimal
from types import ModuleType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.serialise import KEY, LOWER, TOKEN, UPPER, serialise, serialise_bare

VISIBLE = st.text([chr(c) for c in range(0x20, 0x7F)], max_size=8)
KEYS = st.builds(str.__add__, st.sampled_from(LOWER + "*"), st.text(KEY, max_size=4))
FIFTEEN_DIGITS = st.integers(-999_999_999_999_999, 999_999_999_999_999)


def decimal(thousandths: int) -> tuple[str, str]:
    return "decimal", serialise_bare(("decimal", str(Decimal(thousandths) / 1000)))


BARE: st.SearchStrategy[Any] = st.one_of(
    FIFTEEN_DIGITS,
    FIFTEEN_DIGITS.map(decimal),
    st.tuples(st.just("string"), VISIBLE),
    st.tuples(
        st.just("token"), st.builds(str.__add__, st.sampled_from(LOWER + UPPER + "*"), st.text(TOKEN, max_size=4))
    ),
    st.binary(max_size=8),
    st.booleans(),
    st.tuples(st.just("date"), FIFTEEN_DIGITS),
    st.tuples(st.just("display"), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
)
PARAMETERS = st.lists(st.tuples(KEYS, BARE), max_size=3, unique_by=lambda pair: pair[0])
ITEMS = st.tuples(BARE, PARAMETERS)
MEMBERS = st.one_of(ITEMS, st.tuples(st.lists(ITEMS, max_size=3), PARAMETERS))
FIELDS = st.one_of(
    st.tuples(st.just("item"), ITEMS),
    st.tuples(st.just("list"), st.lists(MEMBERS, max_size=4)),
    st.tuples(st.just("dictionary"), st.lists(st.tuples(KEYS, MEMBERS), max_size=4, unique_by=lambda pair: pair[0])),
)


@settings(max_examples=400, deadline=None)
@given(FIELDS)
def test_values_survive(backend: ModuleType, field: tuple[str, Any]) -> None:
    kind, value = field
    text = serialise(kind, value).encode("ascii")
    assert backend.parse_structured(kind, text) == value
    assert backend.serialise_structured(kind, text) == text
