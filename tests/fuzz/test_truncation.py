"""Each header truncated at each byte, and each message: a refusal or a value, the same on both sides, never a crash."""

import pytest

import tests.reference as reference
from gateway import _native as native
from tests.fuzz.requests import judge
from tests.native.requests import covering
from tests.outcomes import of_digest, of_head, of_select

MESSAGE = covering(
    b'"@method" "@target-uri" "@query-param";name="y" "content-digest" "x-dict";key="c" "x-a";bs "priority";sf',
    b';created=1618884473;expires=1618884773;nonce="n\\"x";alg="ecdsa-p256-sha256";keyid="k";tag="t";foo=1.5;bar=:AA==:',
)
HEAD, *LINES = MESSAGE[:-4].split(b"\r\n")


@pytest.mark.parametrize("index", range(len(LINES)), ids=[line.partition(b":")[0].decode() for line in LINES])
def test_each_header_at_each_byte(index: int) -> None:
    seen = set()
    for length in range(len(LINES[index]) + 1):
        lines = [HEAD, *LINES[:index], LINES[index][:length], *LINES[index + 1 :]]
        raw = b"\r\n".join(lines) + b"\r\n\r\n"
        seen.add(judge(raw))
        assert of_head(native, raw) == of_head(reference, raw)
        assert of_select(native, raw) == of_select(reference, raw)
        assert of_digest(native, raw) == of_digest(reference, raw)
    assert len(seen) > 1


def test_the_message_at_each_byte() -> None:
    for length in range(len(MESSAGE)):
        assert judge(MESSAGE[:length]).startswith("request.")
        assert of_head(native, MESSAGE[:length]) == of_head(reference, MESSAGE[:length])
    assert judge(MESSAGE) == "accepted"


def test_each_byte_left_out() -> None:
    for at in range(len(MESSAGE)):
        raw = MESSAGE[:at] + MESSAGE[at + 1 :]
        judge(raw)
        assert of_select(native, raw) == of_select(reference, raw)
