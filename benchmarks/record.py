"""One result as a JSON file: what was measured, on which machine, with which versions, by which command."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.row import Row, judged
from gateway.report.machine import machine, versions

RESULTS = Path(os.environ.get("WFM_BENCHMARK_RESULTS") or Path(__file__).parent / "results")
"""Where results go; the short form names another place, because it is no measurement to keep."""


def save(
    name: str,
    title: str,
    rows: Sequence[dict[str, Any]],
    says: Sequence[str],
    packages: Sequence[str] = (),
    *,
    tools: Mapping[str, str] = MappingProxyType({}),
    raw: Mapping[str, Any] | None = None,
    bars: Sequence[Row] = (),
) -> Path:
    """Write `results/<name>.json`. `rows` are table rows with the same keys; `says` are sentences: bars, and what
    this does not show; `tools` versions of other programs; `raw` the single rounds; `bars` what
    is to be reached, for the table at the head of RESULTS.md."""
    result: dict[str, Any] = {
        "title": title,
        "command": "python -m " + " ".join([_module(), *sys.argv[1:]]),
        "machine": machine(),
        "versions": versions(*packages) | dict(tools),
        "rows": list(rows),
        "says": list(says),
    }
    if bars:
        result["bars"] = [{"measure": one.measure, **judged(one)} for one in bars]
    if raw is not None:
        result["raw"] = raw
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return path


def _module() -> str:
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec is not None else Path(sys.argv[0]).name
