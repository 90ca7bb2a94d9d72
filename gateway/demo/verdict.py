"""What an answer means: let through, or refused for which reason."""

import json
from typing import Any

from gateway.demo.tally import ACCEPTED


def verdict(status: int, body: bytes) -> str:
    """Accepted if the WFM gave it and was content, else the gateway's reason, or the bare status."""
    if status < 400:
        return ACCEPTED
    if body.startswith(b"{"):
        try:
            problem: Any = json.loads(body)
        except ValueError:
            return f"status {status}"
        if isinstance(problem.get("reason"), str):
            return str(problem["reason"])
    return f"status {status}"
