"""The little of the Redis protocol (RESP2) that the request path needs: packing commands, reading error replies."""

from typing import Any, Final, TypeAlias

from gateway.reasons import Reason
from gateway.registry.answers import Unavailable

Reply: TypeAlias = Any
"""What one command was answered: bytes, int, None, a list of these, or `Unavailable` for an error reply."""

_FULL: Final = "OOM"
_WRONG_SERVER: Final = frozenset({"READONLY", "NOAUTH", "MASTERDOWN"})


def pack(*args: bytes) -> bytes:
    """One command as an array of bulk strings."""
    return b"*%d\r\n" % len(args) + b"".join([b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args])


def refused(message: str) -> Unavailable:
    """What an error reply means for a request: the store is full, or of no use as it is. Never the device's fault."""
    reason = Reason.STORE_FULL if message.startswith(_FULL) else Reason.STORE_UNAVAILABLE
    return Unavailable(reason, f"the store answered: {message}")


def is_wrong_server(message: str) -> bool:
    """Does an error reply say that this connection leads to a replica, or forgot who we are? Another one may help."""
    return message.partition(" ")[0] in _WRONG_SERVER
