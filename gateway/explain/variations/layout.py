"""How devices write the signature base differently: line ends, last line, names, order (RFC 9421 §2.5)."""

import re
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Final

import msgspec

from gateway.explain.form import PARAMS, Change, Form, Variation, with_layout
from gateway.explain.shown import shown

_PARAMETER: Final = re.compile(rb';[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|:[^:]*:|[^;"]*))?')
_MOST_PERMUTED: Final = 4
_BASE: Final = "RFC 9421 section 2.5"


def layouts(form: Form) -> Iterator[Variation]:
    """Line ends and the last line."""
    for changes, code, title, found in (
        ({"tail": b"\n"}, "trailing-newline", "A line end behind the signature base", "with one more LF at the end"),
        ({"newline": b"\r\n"}, "crlf-base", "CR LF in the signature base", "with CR LF between the lines"),
        (
            {"newline": b"\r\n", "tail": b"\r\n"},
            "crlf-base",
            "CR LF in the signature base",
            "with CR LF after each line",
        ),
        (
            {"params_name": b""},
            "params-line-missing",
            "The last line, @signature-params, was not signed",
            'without its last line, "@signature-params": ...',
        ),
        (
            {"params_name": b"", "tail": b"\n"},
            "params-line-missing",
            "The last line, @signature-params, was not signed",
            'without its last line, "@signature-params": ..., and with a line end instead',
        ),
        ({"colon": b":"}, "colon-space", "No space after the colons", "without the space after each colon"),
        (
            {"newline": b""},
            "newlines-missing",
            "The lines were joined without line ends",
            "without LF between the lines",
        ),
        ({"newline": b", "}, "newlines-missing", "The lines were joined by commas", "with commas between the lines"),
        (
            {"newline": b"\\n"},
            "newlines-missing",
            "Backslash and n instead of line ends",
            "with the two characters \\n between the lines",
        ),
    ):
        yield Variation("layout", _change(code, title, found), with_layout(**changes))


def _change(code: str, title: str, found: str) -> Change:
    return Change(
        code,
        title,
        f"the device signed the base {found}",
        "join the lines with one LF each, end with the @signature-params line and nothing behind it "
        f"({_BASE}); `wfm-gateway explain --base-only` writes the exact octets to compare with",
    )


def names(form: Form) -> Iterator[Variation]:
    """How the names of the components stand in the base."""
    without = tuple(line.written.replace(b'"', b"", 2) for line in form.lines)
    yield _named(form, without, "name-quotes", "no double quotes around the component names", PARAMS.replace(b'"', b""))
    yield _named(form, without, "name-quotes", "no double quotes around the component names", PARAMS)
    yield _named(
        form,
        tuple(line.written for line in form.lines),
        "name-quotes",
        "no double quotes around @signature-params",
        PARAMS.replace(b'"', b""),
    )
    titled = tuple(_titled(line.written) for line in form.lines)
    upper = tuple(line.written.upper() for line in form.lines)
    lower = tuple(line.identifier for line in form.lines)
    for written, how in (
        (titled, "field names in capitals"),
        (upper, "names in upper case"),
        (lower, "names in lower case"),
    ):
        if written != tuple(line.written for line in form.lines):
            yield _named(form, written, "name-case", how, PARAMS)


def _titled(written: bytes) -> bytes:
    return written if written.startswith(b'"@') else written.title()


def _named(form: Form, written: tuple[bytes, ...], code: str, how: str, params_name: bytes) -> Variation:
    lines = tuple(msgspec.structs.replace(line, written=text) for line, text in zip(form.lines, written, strict=True))
    return Variation(
        "names",
        Change(
            code,
            f"The signature base has {how}",
            f"the device signed lines such as {shown(lines[0].written if lines else b'')}: ...",
            f'write each line as "name": value, the name in lower case and in double quotes ({_BASE})',
        ),
        with_layout(lines=lines, params_name=params_name),
    )


def orders(form: Form) -> Iterator[Variation]:
    """Lines in another order, doubled or left out; the list says which order counts."""
    for index, line in enumerate(form.lines):
        rest = form.lines[:index] + form.lines[index + 1 :]
        yield Variation(
            "order",
            Change(
                "component-not-signed",
                f"{shown(line.identifier)} is listed, but was not signed",
                f"the device's base has no line for {shown(line.identifier)}",
                "put one line into the base for each component of the list, in its order",
            ),
            with_layout(lines=rest),
        )
    if 1 < len(form.lines) <= _MOST_PERMUTED + 1:
        for order in permutations(form.lines):
            if order != form.lines:
                names_ = " ".join(shown(line.identifier) for line in order)
                yield Variation(
                    "order",
                    Change(
                        "component-order",
                        "The lines of the base stand in another order than the list",
                        f"the device signed the components in the order {names_}",
                        "write the lines of the base in the order of the list in Signature-Input",
                    ),
                    with_layout(lines=order),
                )


def params(form: Form, sent: bytes, label: str) -> Iterator[Variation]:
    """The value of @signature-params: as sent, in another order, with some parameters left out, or with the label.

    :param sent: the member of Signature-Input as it stands in the request
    """
    inner, parameters = split_params(form.params)
    tried = {form.params}

    def variation(params: bytes, code: str, title: str, found: str) -> Iterator[Variation]:
        if params not in tried:
            tried.add(params)
            advice = "sign the member of Signature-Input exactly as it is sent, in its order, without the label"
            yield Variation(
                "params", Change(code, title, found, f"{advice} (RFC 9421 section 2.3)"), with_layout(params=params)
            )

    yield from variation(
        sent,
        "params-spaces",
        "@signature-params was signed with other white space",
        f"the device signed {shown(sent, 160)}; a verifier serialises it anew: {shown(form.params, 160)}",
    )
    for prefix in (label.encode() + b"=", label.encode() + b": "):
        yield from variation(
            prefix + form.params,
            "params-label",
            "@signature-params was signed with its label",
            f'the device signed "@signature-params": {shown(prefix + form.params, 120)}',
        )
    yield from variation(
        b"".join(parameters).lstrip(b";"),
        "params-list-missing",
        "@signature-params was signed without the component list",
        "the device signed the parameters alone",
    )
    for size in range(len(parameters) - 1, -1, -1):
        for kept in combinations(parameters, size):
            gone = ", ".join(_name(one) for one in parameters if one not in kept)
            yield from variation(
                inner + b"".join(kept),
                "parameter-added-later",
                f"{gone} stands in Signature-Input, but was not signed",
                f"the device signed @signature-params without {gone}",
            )
    if len(parameters) <= _MOST_PERMUTED:
        for order in permutations(parameters):
            names_ = ", ".join(_name(one) for one in order)
            yield from variation(
                inner + b"".join(order),
                "parameter-order",
                "The parameters were signed in another order than they are sent",
                f"the device signed them in the order {names_}",
            )
    for extra in (
        b';alg="' + alg + b'"'
        for alg in (b"ecdsa-p256-sha256", b"ecdsa-p384-sha384", b"rsa-pss-sha512", b"rsa-v1_5-sha256", b"ed25519")
    ):
        if not any(_name(one) == "alg" for one in parameters):
            yield from variation(
                form.params + extra,
                "parameter-lost",
                "A parameter was signed, but is not sent",
                f"the device signed {shown(extra[1:])} too",
            )


def split_params(params: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The inner list, and its parameters each with its semicolon."""
    end = 0
    quoted = False
    for at, octet in enumerate(params):
        if octet == 0x22 and params[at - 1 : at] != b"\\":
            quoted = not quoted
        elif octet == 0x29 and not quoted:
            end = at + 1
            break
    return params[:end], tuple(_PARAMETER.findall(params[end:]))


def _name(parameter: bytes) -> str:
    return shown(parameter[1:].partition(b"=")[0])
