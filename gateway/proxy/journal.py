"""The local journal of devices whose record could not be written after the WFM had assigned their id (R21)."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway.onboarding.enrolment import Entry

_SUFFIX = ".json"
_REFUSED = ".refused"


class Journal:
    """Files of one directory, one per device, written whole or not at all; workers of one gateway share it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, realm: str, spki_sha256: str, entry: Entry) -> None:
        """Keep an entry, safe on disk when this returns.

        :raises OSError: it could not be written
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(realm, spki_sha256)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(entry))
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def find(self, realm: str, spki_sha256: str) -> Entry | None:
        """The entry of one key."""
        return _read(self._path(realm, spki_sha256))

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Names and entries of all that waits."""
        try:
            names = sorted(path for path in self.directory.iterdir() if path.name.endswith(_SUFFIX))
        except OSError:
            return
        for path in names:
            entry = _read(path)
            if entry is not None:
                yield path.name, entry

    def done(self, name: str) -> None:
        """The entry is recorded: forget it."""
        (self.directory / name).unlink(missing_ok=True)

    def refuse(self, name: str) -> None:
        """The registry will never take the entry: put it aside for an operator."""
        path = self.directory / name
        if path.exists():
            path.replace(path.with_name(name.removesuffix(_SUFFIX) + _REFUSED))

    def name(self, realm: str, spki_sha256: str) -> str:
        """The name of one key's file: a hash, for a realm may be as long as a file name."""
        return sha256(f"{realm}:{spki_sha256}".encode()).hexdigest() + _SUFFIX

    def _path(self, realm: str, spki_sha256: str) -> Path:
        return self.directory / self.name(realm, spki_sha256)


def _read(path: Path) -> Entry | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
