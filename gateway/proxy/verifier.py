"""Where verifications are submitted: answered at once today, collected into batches by engines that gain from it."""

import asyncio
from typing import Protocol

from gateway.model import Job
from gateway.signature.engine import Engine


class Verifier(Protocol):
    """Answers one job, now or later in the same tick."""

    def submit(self, job: Job) -> "bool | asyncio.Future[bool]":
        """True if the signature holds."""
        ...


class Immediate:
    """One job, one answer, in the same call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, job: Job) -> bool:
        """True if the signature holds."""
        return self._engine.holds(job)
