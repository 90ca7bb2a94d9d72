"""What an explanation consists of: steps with verdicts, the signature base, hints, and what the gateway would
answer."""

from enum import StrEnum

import msgspec

from gateway.reasons import TABLE, Reason


class Mark(StrEnum):
    """Verdict of one step: it holds, it does not, it could not be judged, or it deserves a look."""

    OK = "ok"
    FAIL = "fail"
    NONE = "none"
    WARN = "warn"


class Table(msgspec.Struct, frozen=True):
    """Rows under column names; a row begins with its own mark."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Mark, tuple[str, ...]], ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the gateway. `name` is stable, `summary` one line; all text is fit to be shown (R29)."""

    name: str
    title: str
    mark: Mark
    summary: str
    facts: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    octets: bytes | None = None
    """Exact octets to be shown line by line: the signature base."""


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """One known mistake. `proof` says how it was found out; `proven` is true if trying it made the check hold."""

    code: str
    title: str
    found: str
    proof: str
    proven: bool
    device: str = ""
    """What to change on the device."""
    gateway: str = ""
    """What to change on the gateway or on what stands in front of it, with the key of the configuration."""


class Verdict(msgspec.Struct, frozen=True):
    """What the gateway would answer: None means that it would do as `action` says."""

    reason: Reason | None
    detail: str = ""
    notes: tuple[str, ...] = ()
    action: str = "forward this request"

    @property
    def accepted(self) -> bool:
        """The request would go on to the backend."""
        return self.reason is None

    @property
    def status(self) -> int:
        """HTTP status of the refusal; 0 if there is none, for the backend answers then."""
        return 0 if self.reason is None else TABLE[self.reason].status


class Report(msgspec.Struct, frozen=True):
    """The whole explanation. `notes` tell what was changed in the capture and what was assumed; `base` is the signature
    base, None where there is none; `signed_base` what the device signed, if that was found out; `attempts` counts what
    the diagnosis tried."""

    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    base: bytes | None
    signed_base: bytes | None
    hints: tuple[Hint, ...]
    verdict: Verdict
    attempts: int
