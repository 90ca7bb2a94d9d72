"""Content-Digest that does not fit the body: hashes what devices are known to hash instead (RFC 9530)."""

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from typing import Final

from gateway._native import Digest, Refused
from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.shown import count, shown

_HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_MEMBER: Final = re.compile(rb"""([A-Za-z0-9-]+)\s*=\s*["':]?([A-Za-z0-9+/_-]+={0,2})["':]?""")
_JSON_LIMIT: Final = 1 << 20
_INFLATED_LIMIT: Final = 1 << 24


def hints(facts: Facts) -> Iterator[Hint]:
    """What is wrong with Content-Digest, for the body as captured."""
    digest, body, head = facts.digest, facts.capture.body, facts.head
    if isinstance(digest, Refused):
        yield from _malformed(facts)
    elif digest is None:
        if body:
            yield _missing(facts)
    elif digest.known and not _matches(digest, body):
        yield _mismatch(digest, body, head.values(b"content-encoding"), facts.capture.framed)


def _matches(digest: Digest, body: bytes) -> bool:
    return digest.matches(hashlib.sha256(body).digest(), hashlib.sha512(body).digest())


def _missing(facts: Facts) -> Hint:
    old = facts.head.values(b"digest")
    found = "the request has a body and no Content-Digest"
    if old:
        found += f"; it has the older Digest: {shown(old[0], 100)}"
    value = base64.b64encode(hashlib.sha256(facts.capture.body).digest()).decode()
    return Hint(
        code="digest-missing",
        title="There is no Content-Digest" + (", but the older Digest" if old else ""),
        found=found,
        proof="the list of fields",
        proven=True,
        device=f"send Content-Digest: sha-256=:{value}: (RFC 9530; Digest of RFC 3230 is obsolete), and cover it",
    )


def _malformed(facts: Facts) -> Iterator[Hint]:
    """The field cannot be read; see if its text still is a digest of the body."""
    text = b", ".join(facts.head.values(b"content-digest"))
    body = facts.capture.body
    for match in _MEMBER.finditer(text):
        name = match[1].decode().lower()
        if name not in _HASHES:
            continue
        right = f"{name}=:{base64.b64encode(_HASHES[name](body).digest()).decode()}:"
        how = _spelling(match[2], _HASHES[name](body).digest())
        proof = (
            f"tried: read as {how}, it is the digest of the body"
            if how
            else "no reading of it is the digest of the body"
        )
        yield Hint(
            code="digest-syntax",
            title="Content-Digest is not written as RFC 9530 wants it" + (f": {how}" if how else ""),
            found=f"Content-Digest: {shown(text, 160)}",
            proof=proof,
            proven=bool(how),
            device=f"send Content-Digest: {right}; the name in lower case, plain base64 between colons",
        )
        return
    yield Hint(
        code="digest-syntax",
        title="Content-Digest is not written as RFC 9530 wants it",
        found=f"Content-Digest: {shown(text, 160)}",
        proof="it names neither sha-256 nor sha-512",
        proven=False,
        device=f"send Content-Digest: sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:",
    )


def _spelling(text: bytes, digest: bytes) -> str:
    """How a text spells the digest; empty if it does not."""
    if text.lower() == digest.hex().encode():
        return "hex"
    if text.rstrip(b"=") == base64.urlsafe_b64encode(digest).rstrip(b"="):
        plain = base64.b64encode(digest).rstrip(b"=")
        return "base64url" if text.rstrip(b"=") != plain else "base64 without colons, or with another name"
    return (
        "base64 without colons, or with another name"
        if text.rstrip(b"=") == base64.b64encode(digest).rstrip(b"=")
        else ""
    )


def _mismatch(digest: Digest, body: bytes, encodings: list[bytes], framed: bytes) -> Hint:
    for announced, name in ((digest.sha256, "sha-256"), (digest.sha512, "sha-512")):
        if announced is None:
            continue
        own = _HASHES[name](body).digest()
        if announced == own:
            continue
        value = f"{name}=:{base64.b64encode(own).decode()}:"
        for octets, title, found, device in _encodings(announced):
            if octets == own:
                return _hint("digest-encoding", title, found, value, device)
        for other, hash_ in (*_HASHES.items(), ("sha-1", hashlib.sha1), ("md5", hashlib.md5)):
            if other != name and hash_(body).digest() == announced:
                return _hint(
                    "digest-algorithm",
                    f"The {name} of Content-Digest is a {other}",
                    f"{count(len(announced), 'octet')}, the {other} of the body",
                    value,
                    f"send the algorithm under its own name: {value}",
                )
        for content, title, device in _bodies(body, encodings, framed):
            if content != body and _HASHES[name](content).digest() == announced:
                return _hint(
                    "digest-content", f"The digest is that of {title}", f"the device hashed {title}", value, device
                )
        return Hint(
            code="digest-mismatch",
            title="Content-Digest is that of another body",
            found=f"{name} announced {announced.hex()}, computed over {count(len(body), 'octet')} {own.hex()}",
            proof="tried line ends, encodings and JSON layouts of the body; none has this digest",
            proven=False,
            device=f"hash exactly the octets that are sent; for this body it is Content-Digest: {value}",
            gateway=(
                "look if a hop on the way changes bodies (recoding, filters); a capture may differ from the wire: give"
                " the body with --body FILE"
            ),
        )
    raise AssertionError("one of the digests must differ")


def _hint(code: str, title: str, found: str, value: str, device: str) -> Hint:
    return Hint(
        code=code,
        title=title,
        found=found,
        proof="tried: read like that, Content-Digest matches the body",
        proven=True,
        device=f"{device}; for this body it is Content-Digest: {value}",
    )


def _encodings(announced: bytes) -> Iterator[tuple[bytes, str, str, str]]:
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
        text = announced.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            inner = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            return
        yield inner, "The digest is base64-encoded twice", "the octets are base64 text", "encode the hash once"


def _bodies(body: bytes, encodings: list[bytes], framed: bytes) -> Iterator[tuple[bytes, str, str]]:
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
    for called, hash_ in _HASHES.items():
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
