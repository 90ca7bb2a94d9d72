"""The reference's one exception: what was refused and why."""


class Refused(Exception):
    """The peer's mistake; `reason` is a value of `gateway.reasons.Reason`, as in the native module."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
