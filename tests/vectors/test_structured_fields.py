"""The HTTP working group's structured-field tests, over the native module and the reference.

`can_fail` choices. Refused: base64 without its padding, and with pad bits that are not zero (RFC 9651 §4.2.7 would rather have
both accepted; a gate that takes one spelling of each value has less to be confused about, and no known signer omits padding).
Accepted: the largest and smallest date by syntax (15 digits), and a string or display string that two field lines make up
together, which is what joining them gives (RFC 9651 §4.2).

Of the serialisation tests only the reference takes all: the native module has no way to be given a value, so for it the
canonical text is parsed and serialised again, and `must_fail` values (which no text can express) are left out.
"""

import base64
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.reference.serialise import Unserialisable, serialise
from tests.vectors.shared import FOLDER, load, needs

pytestmark = needs("structured-field-tests")

ROOT = "structured-field-tests"


def records(folder: str) -> list[Any]:
    return [
        pytest.param(record, id=f"{file.stem}-{record['name']}")
        for file in sorted((FOLDER / folder).glob("*.json"))
        for record in load(f"{folder}/{file.name}")
    ]


# The `can_fail` tests that fail here, by choice.
REFUSED_BY_CHOICE = {"bad padding", "non-zero pad bits"}


def bare(value: Any) -> Any:
    """The tests' JSON for a bare item, in the shape of `parse_structured`."""
    if isinstance(value, Decimal):
        return "decimal", str(value)
    if isinstance(value, str):
        return "string", value
    if isinstance(value, dict):
        content = value["value"]
        if value["__type"] == "binary":
            return base64.b32decode(content)
        return {"token": "token", "date": "date", "displaystring": "display"}[value["__type"]], content
    return value


def parameters(pairs: Any) -> Any:
    return [(key, bare(value)) for key, value in pairs]


def member(value: Any) -> Any:
    content, pairs = value
    if isinstance(content, list):
        return [member(item) for item in content], parameters(pairs)
    return bare(content), parameters(pairs)


def expected(kind: str, value: Any) -> Any:
    if kind == "item":
        return member(value)
    if kind == "list":
        return [member(entry) for entry in value]
    return [(key, member(entry)) for key, entry in value]


def with_exact_decimals(value: Any) -> Any:
    """Decimals as numbers: `1.50` and `1.5` are one value."""
    if isinstance(value, tuple) and value and value[0] == "decimal":
        return "decimal", Decimal(value[1])
    if isinstance(value, list | tuple):
        return type(value)(with_exact_decimals(entry) for entry in value)
    return value


@pytest.mark.parametrize("record", records(ROOT))
def test_parse(backend: ModuleType, record: Any) -> None:
    kind = record["header_type"]
    must_fail = record.get("must_fail") or (record.get("can_fail") and record["name"] in REFUSED_BY_CHOICE)
    text = ", ".join(record["raw"]).encode("latin-1" if must_fail else "ascii")
    if must_fail:
        with pytest.raises(backend.Refused) as refused:
            backend.parse_structured(kind, text)
        assert refused.value.reason == "signature.component_value"
        return
    parsed = backend.parse_structured(kind, text)
    assert with_exact_decimals(parsed) == with_exact_decimals(expected(kind, record["expected"]))
    canonical = ", ".join(record.get("canonical", record["raw"])).encode()
    assert backend.serialise_structured(kind, text) == canonical


def test_choices_are_those_documented() -> None:
    optional = {record.values[0]["name"] for record in records(ROOT) if record.values[0].get("can_fail")}
    accepted = optional - REFUSED_BY_CHOICE
    assert accepted == {
        "syntactic max date - 999,999,999,999,999",
        "syntactic min date - -999,999,999,999,999",
        "two lines string",
        "two lines display string",
    }


@pytest.mark.parametrize("record", records(f"{ROOT}/serialisation-tests"))
def test_reference_serialises(record: Any) -> None:
    kind = record["header_type"]
    value = expected(kind, record["expected"])
    if record.get("must_fail"):
        with pytest.raises(Unserialisable):
            serialise(kind, value)
    else:
        assert serialise(kind, value) == ", ".join(record["canonical"])


@pytest.mark.parametrize(
    "record", [record for record in records(f"{ROOT}/serialisation-tests") if not record.values[0].get("must_fail")]
)
def test_canonical_text_stays(backend: ModuleType, record: Any) -> None:
    canonical = ", ".join(record["canonical"]).encode("ascii")
    assert backend.serialise_structured(record["header_type"], canonical) == canonical
