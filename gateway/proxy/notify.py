"""Tells systemd what the gateway does (sd_notify(3)): ready, reloading, stopping. Silent where nobody asked."""

import os
import socket
from contextlib import suppress


class Notify:
    """Sends states to the socket that `NOTIFY_SOCKET` names. What cannot be sent is not: serving does not depend on it.

    :param path: a path, or with an @ in front an abstract name; "" for nobody
    """

    def __init__(self, path: str) -> None:
        self._path = "\0" + path[1:] if path.startswith("@") else path

    @classmethod
    def from_environment(cls) -> "Notify":
        """The socket of our own service; taken out of the environment, for workers have nothing to say there."""
        return cls(os.environ.pop("NOTIFY_SOCKET", ""))

    def ready(self, status: str) -> None:
        """Requests are served, by the present configuration."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(status)}")

    def stopping(self) -> None:
        """The drain has begun."""
        self._send("STOPPING=1\nSTATUS=finishing what has begun")

    def _send(self, state: str) -> None:
        if not self._path:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            one.settimeout(1.0)
            one.sendto(state.encode(), self._path)


def _line(text: str) -> str:
    return " ".join(text.split())
