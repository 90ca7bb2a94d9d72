"""Requests of the vectors as bytes, and what a backend makes of them."""

from types import ModuleType
from typing import Any


def head_of(text: str) -> bytes:
    """The head of a message that was written with LF."""
    return (text.partition("\n\n")[0] + "\n\n").replace("\n", "\r\n").encode("ascii")


def candidate_of(backend: ModuleType, head: Any, label: str, **options: Any) -> Any:
    """The one signature of `head` with this label."""
    (found,) = [c for c in backend.select(head, **options) if c.label == label]
    return found


def covering(head: bytes, lines: tuple[str, ...]) -> bytes:
    """`head` with a signature over the components that `lines` of a base show; its value is arbitrary."""
    identifiers = " ".join(
        line.rpartition(": ")[0] if line.endswith(": ") else line.partition(": ")[0] for line in lines
    )
    return head[:-2] + f"Signature-Input: x=({identifiers})\r\nSignature: x=:AA==:\r\n\r\n".encode()
