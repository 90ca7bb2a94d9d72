"""Files that a configuration names: resolved against the configuration file (R27), and readable."""

from pathlib import Path

from gateway.config.mistake import Mistake
from gateway.reasons import Reason


def resolved(path: str, base: Path) -> str:
    """`path` as an absolute one; relative ones start at `base` (R27)."""
    return str(Path(base, Path(path).expanduser()).absolute())


def readable(key: str, path: str, base: Path) -> str:
    """The absolute path of a file that this process can read.

    :raises Mistake: config.unreadable
    """
    absolute = resolved(path, base)
    try:
        with open(absolute, "rb") as file:
            file.read(1)
    except OSError as error:
        sentence = f"cannot read {absolute} ({(error.strerror or str(error)).lower()})"
        raise Mistake(key, sentence, Reason.CONFIG_UNREADABLE) from None
    return absolute
