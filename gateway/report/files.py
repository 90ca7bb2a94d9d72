"""Says early that a report cannot be written, instead of after a long run."""

from pathlib import Path

from gateway.reasons import ConfigError, Reason


def writable(path: Path, option: str) -> None:
    """Open the file for writing and leave what it holds.

    :raises ConfigError: config.unreadable
    """
    try:
        path.open("a").close()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{option} {path} cannot be written: {why}") from error
