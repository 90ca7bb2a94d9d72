"""Opens the listening sockets that the supervisor keeps and the workers use (R28)."""

import os
import socket
import stat
import sys
from contextlib import suppress
from typing import Final

from gateway.config import Address
from gateway.reasons import ConfigError, Reason

BACKLOG: Final = 1024


def listen(address: Address, count: int) -> list[socket.socket]:
    """One socket per worker on Linux, where the kernel spreads connections over them (SO_REUSEPORT); elsewhere, and for
    a unix socket, the same one for all.

    :raises ConfigError: config.cannot_listen
    """
    if address.path:
        return [_listen_unix(address.path)] * count
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if not sys.platform.startswith("linux"):
            return [_listen_tcp(family, where, shared=False)] * count
        # SO_REUSEPORT would let a second gateway share the port without a word; a bind without it finds the other.
        with _bound(family, where, shared=False) as probe:
            where = probe.getsockname()
        return [_listen_tcp(family, where, shared=True) for _ in range(count)]
    except OSError as error:
        raise _cannot(_text(address), error) from error


def close(sockets: list[socket.socket], path: str) -> None:
    """Close our copies; a unix socket's name goes too, if there is one.

    :param path: that name; "" for TCP, and for a socket that is not ours to remove
    """
    for one in sockets:
        one.close()
    if path:
        with suppress(OSError):
            os.unlink(path)


def _listen_tcp(family: int, where: tuple[object, ...], shared: bool) -> socket.socket:
    one = _bound(family, where, shared)
    one.listen(BACKLOG)
    return one


def _bound(family: int, where: tuple[object, ...], shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(where)
    except BaseException:
        one.close()
        raise
    return one


def _listen_unix(path: str) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_orphan(path)
        one.bind(path)
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise _cannot(path, error) from error
    return one


def _remove_orphan(path: str) -> None:
    """Remove the name that a killed gateway left; a socket where somebody listens stays."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def _text(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def _cannot(where: str, error: OSError) -> ConfigError:
    why = (error.strerror or str(error)).lower()
    return ConfigError(Reason.CONFIG_LISTEN, f"cannot listen on {where}: {why}")
