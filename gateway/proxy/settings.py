"""What the supervisor tells a worker, as one line of JSON, and the one octet that the worker says."""

import signal
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.config import Config
from gateway.registry.store_url import RemoteStore

READY: Final = b"+"
REPLACED: Final = signal.SIGUSR1
"""Tells a worker that another has its place."""


class Settings(msgspec.Struct, frozen=True):
    """`store` is what the request path uses; `workers` is how many share the spool's room. `recording` is the
    same store for the user who may record devices; None where nobody does (R27)."""

    config: Config
    store: RemoteStore
    workers: int
    recording: RemoteStore | None = None


def pack(settings: Settings) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(settings, enc_hook=str) + b"\n"


def unpack(line: bytes) -> Settings:
    """The opposite of `pack`."""
    return msgspec.json.decode(line, type=Settings, dec_hook=_path)


def _path(kind: type[Any], value: Any) -> Any:
    """JSON has no paths."""
    if kind is not Path:
        raise NotImplementedError(kind)
    return Path(value)
