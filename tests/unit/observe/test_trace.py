"""W3C Trace Context, from the request to the log line."""

import pytest

from gateway._native import parse_head
from gateway.observe.trace import trace_id

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def found(*values: str) -> str:
    lines = "".join(f"traceparent: {value}\r\n" for value in values)
    return trace_id(parse_head(f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()))


@pytest.mark.parametrize("value", [f"00-{ID}-{SPAN}-01", f"cc-{ID}-{SPAN}-00", f"cc-{ID}-{SPAN}-00-more"])
def test_a_valid_one_is_read(value: str) -> None:
    assert found(value) == ID


@pytest.mark.parametrize(
    "value",
    [
        "",
        ID,
        f"00-{ID}-{SPAN}",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"ff-{ID}-{SPAN}-01",
        f"00-{ID}-{SPAN}-01-more",
        f"00-{ID}{ID}-{SPAN}-01",
    ],
)
def test_an_invalid_one_is_passed_over(value: str) -> None:
    assert found(value) == ""


def test_two_are_as_good_as_none() -> None:
    assert found(f"00-{ID}-{SPAN}-01", f"00-{ID}-{SPAN}-01") == ""
    assert found() == ""
