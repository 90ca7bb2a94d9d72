"""Reads base64 as people write it: plain or base64url, padded or not."""

import base64
import binascii
from typing import Final

_PLAIN: Final = bytes.maketrans(b"-_", b"+/")


def read(text: bytes) -> bytes | None:
    """The octets; None if the text is no kind of base64."""
    plain = text.strip().rstrip(b"=").translate(_PLAIN)
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return None
