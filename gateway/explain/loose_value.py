"""Reads the value of a Signature field where the strict reader refuses it."""

import re
from typing import Final

from gateway.explain import base64_text
from gateway.explain.form import Change
from gateway.explain.shown import shown

_VALUE: Final = re.compile(rb"""(?:([A-Za-z*][\w.*-]*)\s*=\s*)?(?::([^:]*):|"([^"]*)"|([A-Za-z0-9+/_-]{16,}={0,2}))""")


def read(values: bytes, label: bytes, changes: list[Change]) -> bytes | None:
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
    return _decoded(text, changes)


def _decoded(text: bytes, changes: list[Change]) -> bytes | None:
    """The octets, with what is wrong about their spelling."""
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
    return base64_text.read(text)
