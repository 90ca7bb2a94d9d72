"""One result as a JSON file: what was measured, on which machine, with which versions, by which command."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


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


def save(
    name: str, title: str, rows: Sequence[dict[str, Any]], says: Sequence[str], packages: Sequence[str] = ()
) -> Path:
    """Write `results/<name>.json`. `rows` are table rows with the same keys; `says` are sentences: bars, and what
    this does not show."""
    result = {
        "title": title,
        "command": "python -m " + " ".join([_module(), *sys.argv[1:]]),
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}",
        "versions": versions(*packages),
        "rows": list(rows),
        "says": list(says),
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return path


def _module() -> str:
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec is not None else Path(sys.argv[0]).name
