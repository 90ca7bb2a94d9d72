"""Heads and configurations for the routing tests; heads are read by the real reader."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway._native import Head, parse_head
from gateway.config import Config, from_flags
from gateway.config.load import settle


def head(path: bytes, method: bytes = b"GET", fields: Sequence[bytes] = (), host: bytes = b"wfm.example.com") -> Head:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, *fields, b"", b""]
    return parse_head(b"\r\n".join(lines))


def margo(base_path: str = "") -> Config:
    return from_flags("http://127.0.0.1:9000", public_url="https://wfm.example.com", base_path=base_path)


def generic(*routes: dict[str, Any], **policy: Any) -> Config:
    document = {
        "listen": {"public_url": "https://wfm.example.com"},
        "upstream": {"url": "http://127.0.0.1:9000"},
        "policy": {"profile": "generic", **policy},
        "route": list(routes),
    }
    return settle(document, Path("/"), "")
