"""The bearer token of the admin API: read from its file whenever that changes, compared in constant time (R29)."""

import hmac
import os
import re
import stat
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.config.admin import OTHERS
from gateway.reasons import ConfigError, Reason

SHORTEST: Final = 16
"""Characters of a token; fewer could be guessed."""
# RFC 6750 §2.1 (b64token).
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]{16,4096}=*")
_FILE_LIMIT: Final = 8192

_Stamp = tuple[int, int, int, int]


class Token:
    """What a request must bring. While the file cannot be used nobody is let in, and `trouble` says why."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: _Stamp | None = None
        self._digest: bytes | None = None
        self.trouble = ""
        """Why there is no token at this moment; empty if there is one."""

    def check(self, key: str) -> None:
        """Read the file.

        :param key: of the setting that names it

        :raises ConfigError: config.unreadable
        """
        self._refresh()
        if self._digest is None:
            raise ConfigError(Reason.CONFIG_UNREADABLE, f"{key}: {self.trouble}")

    def fits(self, offered: bytes) -> bool:
        """Is this the token? Blocks for a `stat`, and for a read after each change of the file."""
        self._refresh()
        # Digests have one length, so that the time tells nothing about the token's.
        expected = self._digest or b"\0" * 32
        return hmac.compare_digest(sha256(offered).digest(), expected) and self._digest is not None

    def _refresh(self) -> None:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
                if stamp == self._stamp:
                    return
                if stat.S_IMODE(found.st_mode) & OTHERS:
                    self._refuse(f"others may read {self._path}; `chmod 600` it")
                    return
                text = file.read(_FILE_LIMIT).rstrip(b"\r\n")
        except OSError as error:
            self._refuse(f"cannot read {self._path} ({(error.strerror or str(error)).lower()})")
            return
        if _TOKEN.fullmatch(text) is None:
            self._refuse(f"{self._path} is not one line of {SHORTEST} or more of A-Z a-z 0-9 . _ ~ + / -")
            return
        self._stamp, self._digest, self.trouble = stamp, sha256(text).digest(), ""

    def _refuse(self, why: str) -> None:
        self._stamp, self._digest, self.trouble = None, None, why
