"""The little of the Redis protocol (RESP2) that the request path needs: packing commands, reading error replies."""

import re
from typing import Any, Final, TypeAlias

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable

Reply: TypeAlias = Any
"""What one command was answered: bytes, int, None, a list of these, or `Unavailable` for an error reply."""

_FULL: Final = "OOM"
_REDIRECTION: Final = re.compile(r"(MOVED|ASK) \d+ (.*):(\d+)")
_WRONG_SERVER: Final = frozenset({"READONLY", "NOAUTH", "MASTERDOWN"})


class Redirected(Unavailable, frozen=True, gc=False):
    """A node of a cluster does not have the key: the one at `host` and `port` has, or, with `asking`, is being given
    it at this moment. Nothing was done."""

    host: str
    port: int
    asking: bool


def pack(*args: bytes) -> bytes:
    """One command as an array of bulk strings."""
    return b"*%d\r\n" % len(args) + b"".join([b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args])


def refused(message: str) -> Unavailable:
    """What an error reply means for a request: the store is full, or of no use as it is. Never the device's fault."""
    elsewhere = _REDIRECTION.fullmatch(message)
    if elsewhere is not None:
        detail = f"the key is at another node of the cluster: {message}"
        kind, host, port = elsewhere.groups()
        return Redirected(Reason.STORE_UNAVAILABLE, detail, host, int(port), kind == "ASK")
    reason = Reason.STORE_FULL if message.startswith(_FULL) else Reason.STORE_UNAVAILABLE
    return Unavailable(reason, f"the store answered: {message}")


def is_wrong_server(message: str) -> bool:
    """Does an error reply say that this connection leads to a replica, or forgot who we are? Another one may help."""
    return message.partition(" ")[0] in _WRONG_SERVER
