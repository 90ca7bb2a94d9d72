"""What a figure was taken on: the processor, the system, versions. A number without them says nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Processor, cores and system in one line."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}"


def processor() -> str:
    """Name of the processor as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of OpenSSL in `cryptography`, and of packages."""
    from cryptography.hazmat.backends.openssl.backend import backend

    found = {"python": platform.python_version(), "openssl": backend.openssl_version_text()}
    return found | {name: version(name) for name in ("cryptography", *packages)}
