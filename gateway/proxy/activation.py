"""Listening sockets that systemd opened for us (sd_listen_fds(3)): connections wait in them while we are exchanged."""

import os
import socket
from typing import Final

from gateway.reasons import ConfigError, Reason

FIRST_DESCRIPTOR: Final = 3
_SOCKETS_LIMIT: Final = 1024


def activated() -> list[socket.socket]:
    """The sockets that were passed to this very process, none if there are none. The variables that tell of them are
    removed, for they are not meant for our children.

    :raises ConfigError: config.cannot_listen, something was passed that is no listening stream socket
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return [_adopt(FIRST_DESCRIPTOR + index) for index in range(min(int(count), _SOCKETS_LIMIT))]


def _adopt(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        one = socket.socket(fileno=descriptor)
        listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if one.type != socket.SOCK_STREAM or not listens:
            raise OSError("it is not a stream socket that listens")
    except OSError as error:
        why = f"socket activation passed descriptor {descriptor}, which cannot be used: {error.strerror or error}"
        raise ConfigError(Reason.CONFIG_LISTEN, why) from error
    one.setblocking(False)
    return one


def spread(passed: list[socket.socket], count: int) -> list[socket.socket]:
    """One socket per worker, the same one for several where fewer were passed."""
    return [passed[index % len(passed)] for index in range(count)]


def told(one: socket.socket) -> str:
    """Where a socket listens, for people."""
    where = one.getsockname()
    if isinstance(where, tuple):
        host = f"[{where[0]}]" if ":" in where[0] else where[0]
        return f"{host}:{where[1]}"
    return f"unix:{where}"
