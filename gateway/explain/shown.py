"""Makes what a device sent fit to be shown on a terminal (R29)."""


def shown(data: bytes | str, limit: int = 0) -> str:
    """The text with every octet outside of visible ASCII and space as `\\xNN`; cut to `limit` characters if it is not
    0."""
    octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    text = "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}" for octet in octets)
    if limit and len(text) > limit:
        return text[: limit - 1] + "…"
    return text


def count(number: int, noun: str) -> str:
    """`1 octet`, `2 octets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
