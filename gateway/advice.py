"""What a refusal's log line may say beyond its reason: the port through which somebody who diagnoses is asked."""

from typing import Final, Protocol

import msgspec

from gateway._native import Head
from gateway.steps import NeedVerification


class Advice(Protocol):
    """Asked once a request is refused, and only for the log: nothing depends on the answer. "" is: nothing to say."""

    def signature(self, need: NeedVerification) -> str:
        """Why the signature of the last attempt does not hold."""
        ...

    def route(self, head: Head) -> str:
        """Why no route takes the request."""
        ...

    def body(self, head: Head) -> str:
        """Why the body is not the one that was signed."""
        ...


class _Silence(msgspec.Struct, frozen=True):
    """Nobody diagnoses."""

    def signature(self, need: NeedVerification) -> str:
        """Nothing to say."""
        return ""

    def route(self, head: Head) -> str:
        """Nothing to say."""
        return ""

    def body(self, head: Head) -> str:
        """Nothing to say."""
        return ""


SILENCE: Final = _Silence()
