"""R1 and R2 on raw bytes: what may be a path, and what may be a client id."""

import contextlib
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway._native import Refused
from gateway.reasons import Reason
from gateway.routing.paths import Offence, check, read_client_id

ID_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~=-"


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/a",
        b"/a/",
        b"/a/b.c/.hidden/..x/x../...",
        b"/sha256:abc/~x/!$&'()*+,=@:-_|^`{}[]<>\"",
        b"/a%20b/%41",
    ],
)
def test_r1_path_with_one_meaning_is_split_raw(path: bytes) -> None:
    segments = check(path)
    assert segments.offences == Offence.NONE
    assert b"/" + b"/".join(segments.raw) == path


@pytest.mark.parametrize(
    "segment",
    [
        *(b".", b"..", b"%2e", b"%2E%2e", b".%2e", b"..;x", b".;", b"%2e%2e%3bx", b"a%2F..%2fb", b"..%2F", b"a%2F."),
        *(b"\\", b"a\\b", b"%5c", b"%5C..", b"%00", b"a%00", b"\x00", b"%0a", b"%0D", b"\x1f", b"%1F", b"%7f", b"\x7f"),
        *(b"\xff", b"%ff", b"%C0%AE", b"%c2", b"%ED%A0%80", b"%C2%85", b"\xc2\x9f"),
    ],
)
@pytest.mark.parametrize("frame", [b"/%s", b"/%s/", b"/a/%s/b", b"/a/b%%2F%s"])
def test_r1_dots_controls_and_backslash_are_refused_always(segment: bytes, frame: bytes) -> None:
    if segment.startswith(b".") and b"%2F" in frame:
        frame = b"/a%%2F%s"
    with pytest.raises(Refused) as caught:
        check(frame % segment)
    assert caught.value.reason == Reason.REQUEST_PATH


@pytest.mark.parametrize(
    ("path", "offence"),
    [
        (b"/a%2Fb", Offence.ENCODED_SLASH),
        (b"/a%2fb/", Offence.ENCODED_SLASH),
        (b"/a;b", Offence.SEMICOLON),
        (b"/a%3Bb", Offence.SEMICOLON),
        (b"/a%3b", Offence.SEMICOLON),
        (b"/a%25b", Offence.PERCENT),
        (b"/a%252e%252e", Offence.PERCENT),
        (b"/a%252Fb", Offence.PERCENT),
        (b"/a%", Offence.PERCENT),
        (b"/a%2", Offence.PERCENT),
        (b"/a%zz", Offence.PERCENT),
        (b"//", Offence.EMPTY_SEGMENT),
        (b"//a", Offence.EMPTY_SEGMENT),
        (b"/a//b", Offence.EMPTY_SEGMENT),
        (b"/a//", Offence.EMPTY_SEGMENT),
        (b"/a%2F", Offence.EMPTY_SEGMENT | Offence.ENCODED_SLASH),
        (b"/%2Fa", Offence.EMPTY_SEGMENT | Offence.ENCODED_SLASH),
        (b"/a/%2F/b", Offence.EMPTY_SEGMENT | Offence.ENCODED_SLASH),
        (b"/a%2F%2Fb", Offence.EMPTY_SEGMENT | Offence.ENCODED_SLASH),
        (b"/;a", Offence.EMPTY_SEGMENT | Offence.SEMICOLON),
        (b"/f%C3%A4hrt", Offence.NON_ASCII),
        (b"/f\xc3\xa4hrt", Offence.NON_ASCII),
        (b"/a%2Fb;c%25/%C3%A4", Offence.ENCODED_SLASH | Offence.SEMICOLON | Offence.PERCENT | Offence.NON_ASCII),
    ],
)
def test_r1_what_a_route_may_relax_is_marked(path: bytes, offence: Offence) -> None:
    assert Offence(check(path).offences) == offence


@pytest.mark.parametrize("path", [b"", b"a", b"*", b"a/b"])
def test_r1_path_begins_with_a_slash(path: bytes) -> None:
    with pytest.raises(Refused) as caught:
        check(path)
    assert caught.value.reason == Reason.REQUEST_PATH


def naive(path: bytes) -> bool:
    """R1 read aloud, octet by octet: is the path one that no route needs to relax?"""
    if not path.startswith(b"/"):
        return False
    pieces: list[bytes] = [b""]
    position = 1
    while position < len(path):
        if path[position : position + 1] == b"/" or path[position : position + 3].lower() == b"%2f":
            pieces.append(b"")
            position += 1 if path[position : position + 1] == b"/" else 3
            continue
        octets = path[position : position + 1]
        if octets == b"%":
            try:
                octets = bytes.fromhex(path[position + 1 : position + 3].decode("ascii"))
                position += 2
            except ValueError:
                octets = b"%"
            if len(octets) != 1:
                return False
        pieces[-1] += octets
        position += 1
    if pieces[-1] == b"" and path.endswith(b"/"):
        pieces.pop()
    return all(
        piece not in (b"", b".", b"..") and not any(octet in b"\\;%" or octet < 32 or octet > 126 for octet in piece)
        for piece in pieces
    )


@given(
    st.lists(
        st.sampled_from(
            [
                b"/",
                b"%2F",
                b"%2f",
                b".",
                b"%2e",
                b"a",
                b"%41",
                b"%",
                b"2",
                b";",
                b"%3b",
                b"\\",
                b"%5C",
                b"%00",
                b"\x01",
                b"\xc3\xa4",
                b"%C3%A4",
                b"%7f",
                b"%25",
            ]
        ),
        max_size=9,
    ).map(lambda parts: b"/" + b"".join(parts))
)
@example(b"/")
@example(b"/%2F")
def test_r1_agrees_with_the_rule_read_aloud(path: bytes) -> None:
    try:
        plain = not check(path).offences & ~Offence.ENCODED_SLASH
    except Refused:
        plain = False
    assert plain == naive(path)


@pytest.mark.parametrize("unit", [b"/", b"%2F", b"a/", b"%41", b"%", b".", b"/.", b";", b"%C3%A4", b"//."])
def test_r5_a_long_path_is_not_dear(unit: bytes) -> None:
    path = b"/" + unit * (32_000 // len(unit))
    started = time.process_time()
    with contextlib.suppress(Refused):
        check(path)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("client_id", [b"a", ID_CHARACTERS, b"a" * 128, b"client-0f-1733", b"=", b"Zm9v=="])
def test_r2_client_id_is_taken_literally(client_id: bytes) -> None:
    assert read_client_id(client_id) == client_id.decode()


@pytest.mark.parametrize("client_id", [b"", b"a" * 129, b"a%41", b"a b", b"a/b", b"a:b", b"a+b", b"\xc3\xa4", b"a\x00"])
def test_r2_anything_else_is_no_client_id(client_id: bytes) -> None:
    assert read_client_id(client_id) is None


def test_r2_grammar_octet_by_octet() -> None:
    accepted = bytes(octet for octet in range(256) if read_client_id(bytes([octet])) is not None)
    assert sorted(accepted) == sorted(ID_CHARACTERS)
