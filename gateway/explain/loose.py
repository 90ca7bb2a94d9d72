"""Reads Signature-Input and Signature where the strict reader refuses them, to find out what was meant."""

import re
from typing import Final

import msgspec

from gateway._native import Head
from gateway.explain import loose_value
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
    octets = loose_value.read(values, label.encode(), changes)
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


def _unquoted(text: bytes | None) -> str | None:
    return None if text is None else text.strip(b'"').decode("latin-1")
