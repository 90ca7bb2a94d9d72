"""Structured field values: serialising (RFC 9651 §4.1), as the algorithms there are written."""

import base64
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
# RFC 9110 §5.6.2 tchar, and the two characters that RFC 9651 §3.3.4 adds for tokens.
TCHAR = "!#$%&'*+-.^_`|~" + DIGITS + LOWER + UPPER
TOKEN = TCHAR + ":/"
KEY = LOWER + DIGITS + "_-.*"


class Unserialisable(Exception):
    """The value has no serialisation (RFC 9651 §4.1)."""


def serialise(kind: str, value: Any) -> str:
    """RFC 9651 §4.1, by kind; an empty list or dictionary is "" (the field would not be sent)."""
    if kind == "item":
        return serialise_item(value)
    if kind == "list":
        return ", ".join(serialise_member(member) for member in value)
    return ", ".join(_dictionary_member(key, member) for key, member in value)


def _dictionary_member(key: str, member: Any) -> str:  # §4.1.2
    content, parameters = member
    if content is True:
        return _key(key) + serialise_parameters(parameters)
    return _key(key) + "=" + serialise_member(member)


def serialise_member(member: Any) -> str:
    """An item or an inner list with its parameters (§4.1.1.1)."""
    content, parameters = member
    if isinstance(content, list):
        return "(" + " ".join(serialise_item(item) for item in content) + ")" + serialise_parameters(parameters)
    return serialise_item(member)


def serialise_item(item: Any) -> str:  # §4.1.3
    bare, parameters = item
    return serialise_bare(bare) + serialise_parameters(parameters)


def serialise_parameters(parameters: list[tuple[str, Any]]) -> str:  # §4.1.1.2
    out = ""
    for key, value in parameters:
        out += ";" + _key(key)
        if value is not True:
            out += "=" + serialise_bare(value)
    return out


def _key(key: str) -> str:  # §4.1.1.3
    if not key or key[0] not in LOWER + "*" or any(c not in KEY for c in key):
        raise Unserialisable(key)
    return key


def serialise_bare(value: Any) -> str:  # §4.1.3.1
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, bytes):
        return ":" + base64.b64encode(value).decode("ascii") + ":"
    kind, content = value
    if kind == "decimal":
        return serialise_decimal(Decimal(content))
    if kind == "string":
        if not all(" " <= c <= "~" for c in content):
            raise Unserialisable(content)
        return '"' + str(content).replace("\\", "\\\\").replace('"', '\\"') + '"'
    if kind == "token":
        if not content or content[0] not in LOWER + UPPER + "*" or any(c not in TOKEN for c in content):
            raise Unserialisable(content)
        return str(content)
    if kind == "date":
        return "@" + _integer(content)
    return '%"' + "".join(_display(octet) for octet in content.encode("utf-8")) + '"'


def _integer(value: int) -> str:  # §4.1.4
    if abs(value) > 999_999_999_999_999:
        raise Unserialisable(value)
    return str(value)


def serialise_decimal(value: Decimal) -> str:  # §4.1.5
    rounded = value.quantize(Decimal("0.001"), ROUND_HALF_EVEN)
    if abs(rounded) >= 10**12:
        raise Unserialisable(value)
    # "If input_decimal is less than (but not equal to) 0": there is no negative zero.
    whole, fraction = f"{rounded if rounded else abs(rounded):f}".split(".")
    return whole + "." + (fraction.rstrip("0") or "0")


def _display(octet: int) -> str:  # §4.1.11
    if octet in b'%"' or not 0x20 <= octet <= 0x7E:
        return f"%{octet:02x}"
    return chr(octet)
