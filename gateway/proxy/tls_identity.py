"""The certificate of our own TLS listener, followed while it serves: new connections get what the files hold."""

import asyncio
import os
import ssl
from typing import Final

from gateway.config import Listen
from gateway.observe.log import Log
from gateway.reasons import ConfigError, Reason

LOOK_S: Final = 1.0
"""How often the files are looked at."""

Stamps = tuple[tuple[int, int, int], ...]


class TlsIdentity:
    """`context` is what the next handshake uses.

    :raises ConfigError: config.unreadable
    """

    def __init__(self, certificate: str, key: str, log: Log) -> None:
        self._files = (certificate, key)
        self._log = log
        self._stamps = self._look()
        self.context = server_context(certificate, key)
        self._timer: asyncio.TimerHandle | None = None

    def follow(self) -> None:
        """Look at the files from now on."""
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._again)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self.follow()
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self.context = server_context(*self._files)
        except ConfigError as error:
            # One file may be newer than the other: the next look finds both.
            self._log.line("error", "tls.failing", detail=f"{error.message}; the certificate before it stays")
        else:
            self._log.line("info", "tls.loaded", detail=self._files[0])

    def _look(self) -> Stamps:
        return tuple(_stamp(path) for path in self._files)


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.3 and HTTP/1.1 only.

    :raises ConfigError: config.unreadable
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Asked for a passphrase, OpenSSL would read it from the terminal.
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ssl.SSLError, ValueError) as error:
        message = f"listen: {certificate} and {key} cannot be used for TLS ({error})"
        raise ConfigError(Reason.CONFIG_UNREADABLE, message) from error
    return context


def check_identity(listen: Listen) -> None:
    """Look, before any worker is started, if the files can be used.

    :raises ConfigError: config.unreadable
    """
    if listen.tls_cert is not None and listen.tls_key is not None:
        server_context(listen.tls_cert, listen.tls_key)


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted")


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
