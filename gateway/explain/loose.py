"""Reads Signature-Input and Signature where the strict reader refuses them, to find out what was meant."""

import base64
import binascii
import re
from typing import Final

import msgspec

from gateway._native import Head
from gateway.explain.form import Change, Form, Line, Parts, line_of
from gateway.explain.shown import shown

_INPUT: Final = re.compile(
    rb"""(?:([A-Za-z*][\w.*-]*)\s*=\s*)?(\(([^()]*)\)([^()]*?))(?=,\s*[A-Za-z*][\w.*-]*\s*=\s*\(|\Z)"""
)
_ITEM: Final = re.compile(rb"""["']?(@?[A-Za-z][A-Za-z0-9_-]*)["']?((?:;[a-z]+(?:=(?:"[^"]*"|[^\s;,]*))?)*)""")
_PARAMETER: Final = re.compile(rb""";\s*([A-Za-z*][\w.*-]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^;\s]*))?\s*""")
_NUMBER: Final = re.compile(rb"[0-9]+")
_TEXT_PARAMETERS: Final = (b"keyid", b"alg", b"nonce", b"tag")
_TIME_PARAMETERS: Final = (b"created", b"expires")
_VALUE: Final = re.compile(rb"""(?:([A-Za-z*][\w.*-]*)\s*=\s*)?(?::([^:]*):|"([^"]*)"|([A-Za-z0-9+/_-]{16,}={0,2}))""")
_RFC: Final = "RFC 9421 section 2 and RFC 9651"


class Meant(msgspec.Struct, frozen=True):
    """What one signature probably was meant to be. `sent` is the inner list with its parameters as it stands in the
    request, `form` a base made of the meaning, `changes` tell what is wrong with the spelling."""

    label: str
    octets: bytes | None
    form: Form
    sent: bytes
    created: int | None
    alg: str | None
    keyid: str | None
    changes: tuple[Change, ...]


def read(head: Head, parts: Parts) -> Meant | None:
    """The first signature that makes sense when read with good will; None if there is none."""
    inputs, values = b", ".join(head.values(b"signature-input")), b", ".join(head.values(b"signature"))
    match = _INPUT.search(inputs)
    if match is None:
        return None
    changes: list[Change] = []
    label = _label(match[1], changes)
    items = _components(match[3], changes)
    parameters = _parameters(match[4], changes)
    octets = _octets(values, label.encode(), changes)
    lines = _lines(head, items)
    if lines is None or not items:
        return None
    inner = b" ".join(written for written, _ in items)
    params = b"(" + inner + b")" + b"".join(b";" + name + (b"=" + text if text else b"") for name, text in parameters)
    form = Form(parts, lines, params)
    found = dict(parameters)
    created = found.get(b"created", b"")
    return Meant(
        label,
        octets,
        form,
        match[2].strip(),
        int(created) if _NUMBER.fullmatch(created) else None,
        _unquoted(found.get(b"alg")),
        _unquoted(found.get(b"keyid")),
        tuple(changes),
    )


def _label(label: bytes | None, changes: list[Change]) -> str:
    if label is None:
        changes.append(
            Change(
                "label-missing",
                "Signature-Input has no label",
                "the inner list stands without `label=` before it",
                "send `Signature-Input: sig1=(...)` and `Signature: sig1=:...:` with the same label",
            )
        )
        return ""
    if label != label.lower():
        changes.append(
            Change(
                "label-case",
                "The label has upper-case letters",
                f"the label is {shown(label)}",
                f"write the label in lower case in both fields ({_RFC} section 3.1.2: keys are lower case)",
            )
        )
    return label.decode("ascii").lower()


def _components(text: bytes, changes: list[Change]) -> list[tuple[bytes, bytes]]:
    """Identifiers as they should be written, and their lower-case form."""
    found = []
    for match in _ITEM.finditer(text):
        name = b'"' + match[1] + b'"'
        found.append((name + match[2], name.lower() + match[2]))
    strict = b" ".join(written for written, _ in found)
    if b"," in text:
        changes.append(
            Change(
                "component-commas",
                "Commas between the components",
                f"the list is ({shown(text, 120)})",
                "separate the components by single spaces, without commas",
            )
        )
    elif b'"' not in text and text.strip():
        quotes = "single quotes" if b"'" in text else "no quotes"
        changes.append(
            Change(
                "component-quotes",
                f"The component names have {quotes}",
                f"the list is ({shown(text, 120)})",
                f"write each component in double quotes: ({shown(strict, 120)})",
            )
        )
    capital = [match[1] for match in _ITEM.finditer(text) if match[1] != match[1].lower()]
    if capital:
        changes.append(capital_change(capital))
    return found


def capital_change(names: list[bytes]) -> Change:
    """Upper-case letters in a component list; one name has a setting of its own."""
    only_digest = all(name.lower() == b"content-digest" for name in names)
    lower = " ".join(f'"{shown(name.lower())}"' for name in names)
    return Change(
        "capital-component",
        "Component names in capitals",
        "the component list has " + " ".join(f'"{shown(name)}"' for name in names),
        f"write {lower}, in the list and in the signature base (RFC 9421 section 2.1)",
        "set policy.capital_content_digest = true, if the devices cannot be changed" if only_digest else "",
    )


def _parameters(text: bytes, changes: list[Change]) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    bare: list[str] = []
    quoted: list[str] = []
    for match in _PARAMETER.finditer(text):
        name, value = match[1], match[2] or b""
        if value[:1] == b"'":
            value = b'"' + value[1:-1] + b'"'
            bare.append(shown(name))
        lower = name.lower()
        if lower in _TEXT_PARAMETERS and not value.startswith(b'"'):
            value = b'"' + value + b'"'
            bare.append(shown(name))
        elif lower in _TIME_PARAMETERS and value.startswith(b'"'):
            value = value.strip(b'"')
            quoted.append(shown(name))
        elif lower in _TIME_PARAMETERS and re.fullmatch(rb"[0-9]+\.[0-9]*", value):
            value = value.partition(b".")[0]
            quoted.append(shown(name))
        found.append((lower, value))
    if bare:
        changes.append(
            Change(
                "parameter-quotes",
                "Text parameters without double quotes",
                f"{', '.join(bare)} without double quotes",
                'write text parameters as strings, for example ;keyid="..."',
            )
        )
    if quoted:
        changes.append(
            Change(
                "created-text",
                "created or expires is not an integer",
                f"{', '.join(quoted)} is not a bare integer",
                "write whole seconds without quotes and without a fraction: ;created=1700000000",
            )
        )
    return found


def _lines(head: Head, items: list[tuple[bytes, bytes]]) -> tuple[Line, ...] | None:
    lines = []
    for written, identifier in items:
        name, _, parameters = identifier.partition(b";")
        if parameters or name == b'"@query-param"':
            return None
        values = head.values(name.strip(b'"'))
        if not name.startswith(b'"@') and not values:
            return None
        line = line_of(identifier, written, b", ".join(values))
        if line.value is not None and name.startswith(b'"@'):
            return None
        lines.append(line)
    return tuple(lines)


def _octets(values: bytes, label: bytes, changes: list[Change]) -> bytes | None:
    """The octets of the signature with this label, in whatever base64 they came."""
    matches = list(_VALUE.finditer(values))
    match = next((found for found in matches if (found[1] or b"").lower() == label), matches[0] if matches else None)
    if match is None:
        return None
    text = next(group for group in match.groups()[1:] if group is not None)
    if match[2] is None:
        how = "in double quotes" if match[3] is not None else "bare"
        changes.append(
            Change(
                "signature-colons",
                "The signature has no colons around it",
                f"the base64 text stands {how}",
                f"write `Signature: {shown(label) or 'sig1'}=:<base64>:`; the colons are part of the syntax (RFC 9651"
                " section 3.3.5)",
            )
        )
    if match[1] is None and label:
        changes.append(
            Change(
                "label-missing",
                "Signature has no label",
                "the value stands without `label=` before it",
                f"write `Signature: {shown(label)}=:<base64>:`",
            )
        )
    return loose_base64(text, changes)


def loose_base64(text: bytes, changes: list[Change]) -> bytes | None:
    """Decode base64 or base64url, padded or not."""
    plain = text.strip()
    if re.search(rb"[-_]", plain):
        changes.append(
            Change(
                "base64url",
                "The signature is in base64url",
                "the base64 text has - or _ in it",
                "encode the signature with plain base64 (+ and /, padded with =), not base64url",
            )
        )
    elif len(plain) % 4 and not plain.endswith(b"="):
        changes.append(
            Change(
                "base64-padding",
                "The base64 text of the signature has no padding",
                f"{len(plain)} characters, no =",
                "pad the base64 text with = to a multiple of four characters",
            )
        )
    plain = plain.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None


def _unquoted(text: bytes | None) -> str | None:
    return None if text is None else text.strip(b'"').decode("latin-1")
