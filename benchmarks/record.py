"""One result as a JSON file: what was measured, on which machine, with which versions, by which command."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.report.machine import machine, versions

RESULTS = Path(__file__).parent / "results"


def save(
    name: str, title: str, rows: Sequence[dict[str, Any]], says: Sequence[str], packages: Sequence[str] = ()
) -> Path:
    """Write `results/<name>.json`. `rows` are table rows with the same keys; `says` are sentences: bars, and what
    this does not show."""
    result = {
        "title": title,
        "command": "python -m " + " ".join([_module(), *sys.argv[1:]]),
        "machine": machine(),
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
