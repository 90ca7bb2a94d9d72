"""What devices hash instead of the body as it is sent, and how they write a hash."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from typing import Final

from gateway.explain import base64_text

HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
"""RFC 9530 §5: the algorithms that are neither deprecated nor unknown."""

_JSON_LIMIT: Final = 1 << 20
_INFLATED_LIMIT: Final = 1 << 24


def encodings(announced: bytes) -> Iterator[tuple[bytes, str, str, str]]:
    """What was meant by octets that are not the digest themselves."""
    again = base64.b64encode(announced)
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", again):
        yield (
            bytes.fromhex(again.decode()),
            "The digest is in hex",
            "between the colons stand hex digits",
            "put base64 of the hash's octets between the colons",
        )
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", announced):
        yield (
            bytes.fromhex(announced.decode()),
            "The digest is base64 of hex text",
            "the octets are the hex text of a hash",
            "encode the hash's octets, not their hex text",
        )
    if re.fullmatch(rb"[A-Za-z0-9+/_-]+={0,2}", announced):
        inner = base64_text.read(announced)
        if inner is None:
            return
        yield inner, "The digest is base64-encoded twice", "the octets are base64 text", "encode the hash once"


def bodies(body: bytes, encodings: list[bytes], framed: bytes) -> Iterator[tuple[bytes, str, str]]:
    """What devices hash instead of the octets that they send."""
    exact = "hash exactly the octets that are sent"
    yield b"", "an empty body", "hash the body that is sent; some libraries hash a stream that was read already"
    for end, called in ((b"\n", "LF"), (b"\r\n", "CR LF")):
        yield (
            body + end,
            f"the body with a line end ({called}) behind it",
            f"{exact}: without the line end that an editor or echo adds",
        )
        if body.endswith(end):
            yield body.removesuffix(end), f"the body without the line end ({called}) behind it", exact
    yield body.strip(), "the body without white space around it", exact
    crlf = re.sub(rb"\r?\n", b"\r\n", body)
    yield crlf, "the body with CR LF line ends", f"{exact}; do not send it in text mode"
    yield body.replace(b"\r\n", b"\n"), "the body with LF line ends", f"{exact}; do not send it in text mode"
    wrong = f"{exact}, not another encoding of them"
    yield base64.b64encode(body), "base64 text of the body", wrong
    yield base64.urlsafe_b64encode(body).rstrip(b"="), "base64url text of the body", wrong
    yield body.hex().encode(), "hex text of the body", wrong
    for called, hash_ in HASHES.items():
        yield hash_(body).digest(), f"the {called} of the body (hashed twice)", "hash the body once"
        yield (
            hash_(body).hexdigest().encode(),
            f"the hex text of the {called} of the body (hashed twice)",
            "hash the body once",
        )
    yield b"\xef\xbb\xbf" + body, "the body with a byte order mark", exact
    yield framed, "the body with its chunks", "hash the content, without the chunks (RFC 9530 section 2)"
    yield from _json(body)
    if encodings:
        inflated = _inflated(body)
        if inflated is not None:
            yield (
                inflated,
                "the body before its Content-Encoding",
                "hash the octets that are sent, Content-Encoding applied (RFC 9530 section 2)",
            )


def _json(body: bytes) -> Iterator[tuple[bytes, str, str]]:
    if len(body) > _JSON_LIMIT:
        return
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    advice = "serialise the JSON once, hash those octets and send the very same"
    for layout, called in (
        ({"separators": (",", ":")}, "the same JSON written compactly"),
        ({}, "the same JSON with a space after commas and colons"),
        ({"indent": 2}, "the same JSON indented by 2"),
        ({"indent": 4}, "the same JSON indented by 4"),
        ({"indent": "\t"}, "the same JSON indented by tabs"),
    ):
        for ascii_only in (True, False):
            for ordered in (False, True):
                text = json.dumps(value, ensure_ascii=ascii_only, sort_keys=ordered, **layout).encode(
                    "utf-8", "surrogatepass"
                )
                how = called + (", keys sorted" if ordered else "")
                yield text, how, advice
                yield text + b"\n", f"{how}, with a line end", advice
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass"), "the text inside of the JSON string", advice
    yield json.dumps(body.decode("utf-8", "replace")).encode(), "the body as a JSON string", advice


def _inflated(body: bytes) -> bytes | None:
    """The content before gzip or deflate, as far as the limit goes."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window).decompress(body, _INFLATED_LIMIT)
        except zlib.error:
            continue
    return None
