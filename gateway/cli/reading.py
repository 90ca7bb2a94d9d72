"""Reads a certificate's file for a command."""

from pathlib import Path

from gateway.reasons import ConfigError, Reason


def read_certificate_file(path: Path, name: str | None = None) -> bytes:
    """What the file holds, as far as a certificate can be large.

    :param name: what to call it in messages, if not by its path
    :raises ConfigError: config.unreadable
    """
    from gateway.registry.certificates import SIZE_LIMIT_BYTES

    try:
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{name or path} cannot be read: {error.strerror}") from error
