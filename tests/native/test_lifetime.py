"""Values of the native module live as long as somebody holds them, whatever became of what they were read from."""

import gc
import os
import subprocess
import sys
from typing import Any

import pytest

from gateway import _native as native
from tests.native.requests import TYPES, covering
from tests.outcomes import AUTHORITY, SCHEME, candidate_facts, head_facts

COMPONENTS = b'"@method" "@query-param";name="y" "x-a";bs "x-dict";sf "x-dict";key="c"'
PARAMETERS = b';created=1;nonce="n\\"";keyid="k";foo=1.50'


def overwrite_free_memory() -> None:
    """Give freed blocks of the sizes in question new contents, so that a dangling pointer would show."""
    gc.collect()
    filler = [bytes([index % 256]) * (16 << index % 9) for index in range(5000)]
    assert len(filler) == 5000


def facts_of_fresh_values() -> tuple[Any, Any]:
    raw = covering(COMPONENTS, PARAMETERS)
    head = native.parse_head(raw)
    (candidate,) = native.select(head, dict(TYPES))
    return head_facts(head), candidate_facts(native, candidate)


def test_a_head_outlives_its_bytes() -> None:
    expected, _ = facts_of_fresh_values()
    head = native.parse_head(bytes(bytearray(covering(COMPONENTS, PARAMETERS))))
    overwrite_free_memory()
    assert head_facts(head) == expected


def test_a_candidate_outlives_its_head() -> None:
    _, expected = facts_of_fresh_values()
    (candidate,) = native.select(native.parse_head(bytes(bytearray(covering(COMPONENTS, PARAMETERS)))), dict(TYPES))
    overwrite_free_memory()
    assert candidate_facts(native, candidate) == expected
    assert candidate.base(SCHEME, AUTHORITY) == candidate.base(SCHEME, AUTHORITY)


@pytest.mark.parametrize("name", ["Head", "Candidate", "Digest"])
def test_values_are_made_by_the_module_alone(name: str) -> None:
    with pytest.raises(TypeError):
        getattr(native, name)()


def test_values_are_immutable() -> None:
    head = native.parse_head(covering(COMPONENTS))
    (candidate,) = native.select(head)
    for value, attribute in ((head, "path"), (head, "host"), (candidate, "reason"), (candidate, "signature")):
        with pytest.raises(AttributeError):
            setattr(value, attribute, None)


def test_what_is_handed_out_is_not_what_is_inside() -> None:
    head = native.parse_head(covering(COMPONENTS))
    head.fields().clear()
    head.values(b"x-a").clear()
    assert head.values(b"x-a") == [b"1", b"2"]
    assert len(head.fields()) == head.field_count


DISCARDED = """
from gateway import _native as native
from tests.native.requests import TYPES, covering
raw = covering(COMPONENTS, fields=b"Host: h\\r\\nX-Dict: a=1, b\\r\\nX-Dict: c=2, d\\r\\nX-Dict: e=3\\r\\n")
(candidate,) = native.select(native.parse_head(raw), dict(TYPES))
print(candidate.base(b"https", b"h").decode().rpartition("\\n")[0])
"""


@pytest.mark.parametrize(
    ("components", "expected"),
    [(b'"x-dict";sf', '"x-dict";sf: a=1, b, c=2, d, e=3'), (b'"x-dict";key="c"', '"x-dict";key="c": 2')],
    ids=["sf", "key"],
)
def test_several_lines_of_a_field_are_not_read_after_they_were_freed(components: bytes, expected: str) -> None:
    # The debugging allocator overwrites freed memory at once; the usual one mostly leaves the right octets there.
    script = DISCARDED.replace("COMPONENTS", repr(components))
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.rstrip("\n") == expected, done.stderr
