"""Puts the page together from its three parts, under a policy that lets a browser run and load nothing else (R29)."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

_PARTS: Final = files(__package__)


def _read(name: str) -> str:
    return _PARTS.joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return "'sha256-" + b64encode(sha256(text.encode()).digest()).decode() + "'"


_CSS: Final = _read("page.css")
_JS: Final = _read("page.js")

PAGE: Final = _read("page.html").replace("/*css*/", _CSS).replace("/*js*/", _JS).encode()
"""The whole page. It holds no figures, so whoever may connect may have it."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_source(_JS)}",
        f"style-src {_source(_CSS)}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: this very script and style, and questions to where the page came from."""
