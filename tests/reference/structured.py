"""Structured field values: parsing (RFC 9651 §4.2), as the algorithms there are written.

Values have the shapes that `gateway._native.parse_structured` documents. Of the choices that RFC 9651 leaves to a parser:
base64 without its padding, or with pad bits that are not zero, is refused (§4.2.7 would rather have it accepted; but a gate
that takes one spelling of each value has less to be confused about); dates of all 15 digits are values; a string may come out
of two field lines joined by a comma.
"""

import base64
import binascii
import re
from decimal import Decimal
from typing import Any

from tests.reference.refused import Refused
from tests.reference.serialise import DIGITS, KEY, LOWER, TOKEN, UPPER, serialise, serialise_decimal


class Malformed(Exception):
    """The text is not a structured field of the wanted kind."""


def parse_structured(kind: str, value: bytes) -> Any:
    """The native function of this name; a key that stands twice has its last value (RFC 9651 §4.2.2, §4.2.3.2)."""
    try:
        return _last_wins(kind, parse_verbatim(kind, value))
    except Malformed as error:
        raise Refused("signature.component_value", str(error)) from None


def serialise_structured(kind: str, value: bytes) -> bytes:
    """Parse and serialise again (RFC 9421 §2.1.1)."""
    return serialise(kind, parse_structured(kind, value)).encode("ascii")


def has_duplicate(pairs: list[tuple[str, Any]]) -> bool:
    """Does a key stand twice?"""
    keys = [key for key, _ in pairs]
    return len(keys) != len(set(keys))


def parse_verbatim(kind: str, value: bytes) -> Any:
    """As `parse_structured`, but every key stays as often as it was written; raises `Malformed`."""
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("not ASCII") from None
    parser = _Parser(text)
    parser.skip(" ")
    parse = {"item": parser.item, "list": parser.list_, "dictionary": parser.dictionary}[kind]
    parsed = parse()
    parser.skip(" ")
    if not parser.at_end:
        raise Malformed(f"unexpected text at {parser.at}")
    return parsed


def _last_wins(kind: str, parsed: Any) -> Any:
    def parameters(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return list(dict(pairs).items())

    def member(value: Any) -> Any:
        content, pairs = value
        if isinstance(content, list):
            content = [member(item) for item in content]
        return content, parameters(pairs)

    if kind == "item":
        return member(parsed)
    if kind == "list":
        return [member(value) for value in parsed]
    return [(key, member(value)) for key, value in dict(parsed).items()]


class _Parser:
    """A text and a place in it; the methods are the algorithms of RFC 9651 §4.2."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def at_end(self) -> bool:
        return self.at == len(self.text)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        if self.at_end:
            raise Malformed("unexpected end")
        self.at += 1
        return self.text[self.at - 1]

    def expect(self, wanted: str) -> None:
        if self.next() != wanted:
            raise Malformed(f"{wanted} expected at {self.at - 1}")

    def skip(self, characters: str) -> None:
        while not self.at_end and self.peek() in characters:
            self.at += 1

    def take(self, characters: str) -> str:
        start = self.at
        self.skip(characters)
        return self.text[start : self.at]

    def another(self) -> bool:
        """Between members of a list or dictionary: is there another one? (§4.2.1, §4.2.2)"""
        self.skip(" \t")
        if self.at_end:
            return False
        self.expect(",")
        self.skip(" \t")
        if self.at_end:
            raise Malformed("trailing comma")
        return True

    def list_(self) -> list[Any]:  # §4.2.1
        members: list[Any] = []
        more = not self.at_end
        while more:
            members.append(self.item_or_inner_list())
            more = self.another()
        return members

    def dictionary(self) -> list[tuple[str, Any]]:  # §4.2.2
        members: list[tuple[str, Any]] = []
        more = not self.at_end
        while more:
            key = self.key()
            if self.peek() == "=":
                self.next()
                members.append((key, self.item_or_inner_list()))
            else:
                members.append((key, (True, self.parameters())))
            more = self.another()
        return members

    def item_or_inner_list(self) -> Any:  # §4.2.1.1
        return self.inner_list() if self.peek() == "(" else self.item()

    def inner_list(self) -> Any:  # §4.2.1.2
        self.expect("(")
        items: list[Any] = []
        while True:
            self.skip(" ")
            if self.peek() == ")":
                self.next()
                return items, self.parameters()
            items.append(self.item())
            if self.peek() not in (" ", ")") or self.at_end:
                raise Malformed("space or ) expected in an inner list")

    def item(self) -> Any:  # §4.2.3
        return self.bare_item(), self.parameters()

    def parameters(self) -> list[tuple[str, Any]]:  # §4.2.3.2
        pairs: list[tuple[str, Any]] = []
        while self.peek() == ";":
            self.next()
            self.skip(" ")
            key = self.key()
            value: Any = True
            if self.peek() == "=":
                self.next()
                value = self.bare_item()
            pairs.append((key, value))
        return pairs

    def key(self) -> str:  # §4.2.3.3
        if self.at_end or self.peek() not in LOWER + "*":
            raise Malformed(f"key expected at {self.at}")
        return self.take(KEY)

    def bare_item(self) -> Any:  # §4.2.3.1
        if self.at_end:
            raise Malformed("unexpected end")
        first = self.peek()
        if first in DIGITS + "-":
            return self.number()
        if first == '"':
            return "string", self.string()
        if first in LOWER + UPPER + "*":
            return "token", self.take(TOKEN)  # §4.2.6
        if first == ":":
            return self.byte_sequence()
        if first == "?":
            return self.boolean()
        if first == "@":
            return self.date()
        if first == "%":
            return "display", self.display_string()
        raise Malformed(f"no item at {self.at}")

    def number(self) -> Any:  # §4.2.4
        sign = ""
        if self.peek() == "-":
            sign = self.next()
        whole = self.take(DIGITS)
        if not whole:
            raise Malformed("digit expected")
        if self.peek() != ".":
            if len(whole) > 15:
                raise Malformed("integer of more than 15 digits")
            return int(sign + whole)
        self.next()
        fraction = self.take(DIGITS)
        if len(whole) > 12 or not 1 <= len(fraction) <= 3:
            raise Malformed("decimal with too many or too few digits")
        return "decimal", serialise_decimal(Decimal(f"{sign}{whole}.{fraction}"))

    def string(self) -> str:  # §4.2.5
        self.expect('"')
        out = ""
        while True:
            character = self.next()
            if character == '"':
                return out
            if character == "\\":
                character = self.next()
                if character not in '"\\':
                    raise Malformed("only a quote or a backslash can be escaped")
            elif not " " <= character <= "~":
                raise Malformed("control character in a string")
            out += character

    def byte_sequence(self) -> bytes:  # §4.2.7
        self.expect(":")
        end = self.text.find(":", self.at)
        if end < 0:
            raise Malformed("byte sequence without its end")
        content = self.text[self.at : end]
        self.at = end + 1
        return _base64(content)

    def boolean(self) -> bool:  # §4.2.8
        self.expect("?")
        character = self.next()
        if character not in "01":
            raise Malformed("0 or 1 expected")
        return character == "1"

    def date(self) -> Any:  # §4.2.9
        self.expect("@")
        value = self.number()
        if not isinstance(value, int):
            raise Malformed("date with a fraction")
        return "date", value

    def display_string(self) -> str:  # §4.2.10
        self.expect("%")
        self.expect('"')
        octets = b""
        while True:
            character = self.next()
            if not " " <= character <= "~":
                raise Malformed("control character in a display string")
            if character == '"':
                break
            if character == "%":
                digits = self.next() + self.next()
                if not re.fullmatch("[0-9a-f]{2}", digits):
                    raise Malformed("two lower-case hexadecimal digits expected")
                octets += bytes.fromhex(digits)
            else:
                octets += character.encode("ascii")
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("display string that is not UTF-8") from None


def _base64(content: str) -> bytes:
    # RFC 4648 §4, with the checks of its §3.2 (padding), §3.3 (alphabet) and §3.5 (pad bits): encoding again gives the same.
    try:
        decoded = base64.b64decode(content, validate=True)
    except binascii.Error:
        raise Malformed("not base64") from None
    if base64.b64encode(decoded).decode("ascii") != content:
        raise Malformed("base64 that is not canonical")
    return decoded
