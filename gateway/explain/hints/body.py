"""Content-Digest that does not fit the body: hashes what devices are known to hash instead (RFC 9530)."""

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Final

from gateway._native import Digest, Refused
from gateway.explain.facts import Facts
from gateway.explain.hints import body_forms
from gateway.explain.hints.body_forms import HASHES
from gateway.explain.report import Hint
from gateway.explain.shown import count, shown

_MEMBER: Final = re.compile(rb"""([A-Za-z0-9-]+)\s*=\s*["':]?([A-Za-z0-9+/_-]+={0,2})["':]?""")


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
        if name not in HASHES:
            continue
        right = f"{name}=:{base64.b64encode(HASHES[name](body).digest()).decode()}:"
        how = _spelling(match[2], HASHES[name](body).digest())
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
        own = HASHES[name](body).digest()
        if announced == own:
            continue
        value = f"{name}=:{base64.b64encode(own).decode()}:"
        for octets, title, found, device in body_forms.encodings(announced):
            if octets == own:
                return _hint("digest-encoding", title, found, value, device)
        for other, hash_ in (*HASHES.items(), ("sha-1", hashlib.sha1), ("md5", hashlib.md5)):
            if other != name and hash_(body).digest() == announced:
                return _hint(
                    "digest-algorithm",
                    f"The {name} of Content-Digest is a {other}",
                    f"{count(len(announced), 'octet')}, the {other} of the body",
                    value,
                    f"send the algorithm under its own name: {value}",
                )
        for content, title, device in body_forms.bodies(body, encodings, framed):
            if content != body and HASHES[name](content).digest() == announced:
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
