"""Makes text that a device or a file name supplied safe to print (R29)."""


def shown(text: str) -> str:
    """The text on one line, with control, formatting and unassigned characters as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
