"""The certificate API: the WFM's root CA from a file, cacheable, read again when the file changes."""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.onboarding.answer import OwnAnswer
from gateway.reasons import ConfigError, Reason
from gateway.registry.certificates import read_certificate
from gateway.registry.link import Report

CACHE_S: Final = 300
LOOK_S: Final = 1.0
"""How often the file is looked at, at most."""


class RootCa:
    """The document of one file.

    :param report: told `onboarding.root_ca` once when the file cannot be used any longer; the old one is still served
    :raises ConfigError: config.unreadable, if it does not hold exactly one certificate
    """

    def __init__(self, path: str, report: Report) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._body, self._tag = _document(path)
        self._looked_s = 0.0
        self._report = report
        self._trouble = ""

    def answer(self, if_none_match: list[bytes], now_s: float) -> OwnAnswer:
        """200, or 304 where the client has it (RFC 9110 §13.1.2).

        :param now_s: monotonic
        """
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look()
        fields = (("ETag", self._tag), ("Cache-Control", f"public, max-age={CACHE_S}"))
        if self._is_known(if_none_match):
            return OwnAnswer(304, fields, b"")
        return OwnAnswer(200, (("Content-Type", "application/json"), *fields), self._body)

    def _look(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._body, self._tag = _document(self._path)
                self._stamp = stamp
            self._trouble = ""
        except ConfigError as error:
            if error.message != self._trouble:
                self._trouble = error.message
                self._report("onboarding.root_ca", error.message)

    def _is_known(self, if_none_match: list[bytes]) -> bool:
        tags = [tag.strip() for value in if_none_match for tag in value.split(b",")]
        return b"*" in tags or self._tag.encode() in [tag.removeprefix(b"W/") for tag in tags]


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _document(path: str) -> tuple[bytes, str]:
    """Base64 of PEM, as the Margo reference server does, and the entity tag of the whole."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    certificate, _ = read_certificate(data, f"onboarding.root_ca {path}")
    text = base64.b64encode(certificate.public_bytes(Encoding.PEM)).decode()
    body = json.dumps({"certificate": text}).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _unreadable(path: str, error: OSError) -> ConfigError:
    why = (error.strerror or str(error)).lower()
    return ConfigError(Reason.CONFIG_UNREADABLE, f"onboarding.root_ca {path} cannot be read ({why})")
