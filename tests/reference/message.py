"""A request head as a plain value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """The members that `gateway._native.Head` documents, with the same meaning."""

    method: bytes
    target: bytes
    path: bytes
    query: bytes | None
    absolute: bool
    host: bytes
    minor: int
    content_length: int
    chunked: bool
    keep_alive: bool
    expects_continue: bool
    lines: tuple[tuple[bytes, bytes], ...]

    @property
    def field_count(self) -> int:
        return len(self.lines)

    def fields(self) -> list[tuple[bytes, bytes]]:
        return list(self.lines)

    def values(self, name: bytes) -> list[bytes]:
        return [value for line_name, value in self.lines if line_name.lower() == name]

    def reserved(self) -> bytes | None:
        # R14: every character that is not alphanumeric counts alike, case does not count.
        for name, _ in self.lines:
            folded = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.decode("ascii").lower())
            if folded.startswith("wfm-"):
                return name
        return None
