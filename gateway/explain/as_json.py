"""An explanation as one JSON object, for scripts and for other tools to show."""

import base64
import hashlib
from typing import Any

from gateway.explain.report import Report, Step
from gateway.reasons import TABLE


def encode(report: Report) -> dict[str, Any]:
    """Only text that is fit to be shown; the exact octets of a base are in base64 too."""
    verdict = report.verdict
    row = TABLE[verdict.reason] if verdict.reason is not None else None
    return {
        "accepted": verdict.accepted,
        "reason": verdict.reason.value if verdict.reason is not None else None,
        "status": verdict.status or None,
        "sentence": row.sentence if row is not None else None,
        "detail": _ascii(verdict.detail) or None,
        "remedy": row.remedy if row is not None else None,
        "notes": list(report.notes),
        "steps": [_step(step) for step in report.steps],
        "base": _base(report.base),
        "signedBase": _base(report.signed_base),
        "hints": [
            {
                "code": hint.code,
                "title": hint.title,
                "found": hint.found,
                "proof": hint.proof,
                "proven": hint.proven,
                "device": hint.device or None,
                "gateway": hint.gateway or None,
            }
            for hint in report.hints
        ],
        "attempts": report.attempts,
    }


def _step(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"name": step.name, "mark": step.mark.value, "summary": step.summary}
    if step.facts:
        found["facts"] = [{"name": name, "value": value} for name, value in step.facts]
    if step.table is not None:
        found["rows"] = [
            {"mark": mark.value, **dict(zip(step.table.columns, cells, strict=True))} for mark, cells in step.table.rows
        ]
    return found


def _base(octets: bytes | None) -> dict[str, Any] | None:
    if octets is None:
        return None
    return {
        "text": octets.decode("ascii", "backslashreplace"),
        "base64": base64.b64encode(octets).decode(),
        "octets": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
    }


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
