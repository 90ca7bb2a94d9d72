"""W3C Trace Context: the trace that a request belongs to. The field itself goes on as any other, unaltered, because a
signature may cover it."""

import re
from typing import Final

from gateway._native import Head

# Trace Context §3.2.2: version, trace-id, parent-id, flags; a version we do not know may have more behind them.
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def trace_id(head: Head) -> str:
    """The trace id of `traceparent`, 32 hex digits; "" if there is none that is valid."""
    values = head.values(b"traceparent")
    if len(values) != 1:
        return ""
    match = _TRACEPARENT.fullmatch(values[0])
    if match is None or match[1] == b"ff" or not match[2].strip(b"0") or not match[3].strip(b"0"):
        return ""
    if match[1] == b"00" and match[4] is not None:
        return ""
    return match[2].decode()
