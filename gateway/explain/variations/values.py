"""Field values that differ between device and gateway: Content-Digest in other spellings, fields that a hop changed."""

import base64
import hashlib
import re
from collections.abc import Iterator

import msgspec

from gateway.explain import base64_text
from gateway.explain.form import Change, Form, Variation, with_layout
from gateway.explain.shown import shown

_DIGEST = b'"content-digest"'


def values(form: Form, body: bytes) -> Iterator[Variation]:
    """Other values of covered fields."""
    for line in form.lines:
        if line.value is None:
            continue
        for value, change in _others(line.identifier, line.value, body):
            if value != line.value:
                yield Variation("value", change, with_layout(lines=_with(form, line.identifier, value)))


def _with(form: Form, identifier: bytes, value: bytes) -> tuple["msgspec.Struct", ...]:
    return tuple(
        msgspec.structs.replace(line, value=value) if line.identifier == identifier else line for line in form.lines
    )


def _others(identifier: bytes, value: bytes, body: bytes) -> Iterator[tuple[bytes, Change]]:
    if identifier == _DIGEST:
        match = re.fullmatch(rb"sha-(256|512)=:(.*):", value)
        if match is not None:
            text = match[2]
            yield text, _digest_change(text, "the base64 text alone")
            yield b":" + text + b":", _digest_change(b":" + text + b":", "the base64 text and its colons alone")
            yield (
                b"sha-" + match[1] + b"=" + text,
                _digest_change(b"sha-" + match[1] + b"=" + text, "without the colons"),
            )
            yield b"SHA-" + value[4:], _digest_change(b"SHA-" + value[4:], "with the algorithm in capitals")
            octets = base64_text.read(text) or b""
            yield octets.hex().encode(), _digest_change(octets.hex().encode(), "in hex")
        for name, hash_ in (("sha-256", hashlib.sha256), ("sha-512", hashlib.sha512)):
            other = f"{name}=:{base64.b64encode(hash_(body).digest()).decode()}:".encode()
            yield (
                other,
                Change(
                    "field-changed",
                    "Content-Digest was changed after signing",
                    f"the device signed Content-Digest: {shown(other)}, which is that of the body as captured",
                    "compute Content-Digest once, before signing, and send the very value that was signed",
                    "let no hop on the way rewrite Content-Digest",
                ),
            )
    for other, how in (
        (re.sub(rb"\s*;.*", b"", value), "without its parameters"),
        (value + b"; charset=utf-8", "with `; charset=utf-8`"),
        (value + b";charset=UTF-8", "with `;charset=UTF-8`"),
        (value.lower(), "in lower case"),
        (b"", "empty"),
    ):
        yield (
            other,
            Change(
                "field-changed",
                f"{shown(identifier)} has another value than the one that was signed",
                f"the device signed {shown(identifier)} {how}, the request has {shown(value, 120)}",
                "sign the value as it is sent; some HTTP libraries complete fields such as Content-Type after signing",
                "let no hop on the way rewrite a covered field",
            ),
        )


def _digest_change(signed: bytes, how: str) -> Change:
    return Change(
        "digest-spelled",
        f"The value of content-digest was signed {how}",
        f'the device signed "content-digest": {shown(signed, 120)}',
        "sign the value of the field as it is sent, sha-256=:...: with its colons",
    )
