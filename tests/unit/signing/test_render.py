"""A signed request as raw HTTP and as a curl command that a shell reads back word for word."""

import shlex

import pytest

from gateway._native import parse_digest, parse_head
from gateway.model import Algorithm
from gateway.signing import PrivateKey, Request, SignedRequest, SignOptions, curl, raw, sign

URL = "https://wfm.example.com/api/v1/clients/dev-1/capabilities?x=[1]"


def signed(
    keys: dict[Algorithm, PrivateKey], body: bytes = b"", method: str = "POST", *fields: tuple[str, str]
) -> SignedRequest:
    return sign(Request(method, URL, body, fields), keys[Algorithm.ED25519], SignOptions(created=1))


def test_raw_is_one_whole_message(keys: dict[Algorithm, PrivateKey]) -> None:
    message = raw(signed(keys, b"{}\r\n\r\n"))
    head, body = message[: message.index(b"\r\n\r\n") + 4], message[message.index(b"\r\n\r\n") + 4 :]
    read = parse_head(head)
    assert body == b"{}\r\n\r\n"
    assert (read.method, read.content_length, read.host) == (b"POST", len(body), b"wfm.example.com")
    assert parse_digest(read) is not None
    assert head.count(b"\n") == head.count(b"\r\n")


@pytest.mark.parametrize("body", [b'{"a":"it\'s $HOME `x` \\"}\n', "grün".encode(), b"-d", b""])
def test_curl_reads_back_word_for_word(keys: dict[Algorithm, PrivateKey], body: bytes) -> None:
    request = signed(keys, body, "POST", ("X-Shell", "'; rm -rf $(pwd) #"))
    words = shlex.split(curl(request, "http://127.0.0.1:8080/"))
    assert words[0] == "curl"
    assert words[-1] == "http://127.0.0.1:8080/api/v1/clients/dev-1/capabilities?x=[1]"
    given = [words[at + 1] for at, word in enumerate(words) if word == "--header"]
    expected = [f"{name}: {value}" for name, value in request.fields if not (body and name == "Content-Length")]
    assert given == expected + (["Content-Type:"] if body else [])
    assert ("--data-binary" in words) == bool(body)
    if body:
        assert words[words.index("--data-binary") + 1].encode() == body
    for option in ("--path-as-is", "--globoff", "--http1.1"):
        assert option in words


@pytest.mark.parametrize("body", [b"\0\xff", b"@/etc/passwd", b"x" * 70_000])
def test_bodies_that_curl_would_change_come_through_a_pipe(keys: dict[Algorithm, PrivateKey], body: bytes) -> None:
    command = curl(signed(keys, body))
    assert command.startswith("printf %s ")
    assert "| base64 -d | curl " in command
    assert shlex.split(command)[shlex.split(command).index("--data-binary") + 1] == "@-"


def test_curl_for_head_and_empty_values(keys: dict[Algorithm, PrivateKey]) -> None:
    command = curl(signed(keys, b"", "HEAD", ("X-Empty", "")))
    assert "--head" in shlex.split(command)
    assert "X-Empty;" in shlex.split(command)
    assert shlex.split(command)[-1] == URL
