"""The native plane's counterpart of the exchange: what its requests share."""

import asyncio
import itertools
import os
from typing import Any

from gateway._native import Content, Head, InboundConnection, Refused
from gateway.clock import Clock
from gateway.config import Config
from gateway.limiting.in_flight import InFlight
from gateway.model import Admitted, Unverified
from gateway.observe.decisions import Decisions
from gateway.pipeline import Pipeline
from gateway.proxy.exchange import Exchange, allowed_names
from gateway.proxy.flight import Flight
from gateway.proxy.needs import Claims, Directory, Senders
from gateway.proxy.respond import Responder
from gateway.proxy.verifier import Verifier


class Driver:
    """Drives requests of native connections; one per worker.

    :param exchange: drives those that take time
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        directory: Directory,
        claims: Claims,
        verifier: Verifier,
        upstreams: Senders,
        decisions: Decisions,
        clock: Clock,
        exchange: Exchange,
        in_flight: InFlight | None = None,
    ) -> None:
        self.in_flight = in_flight
        self.pipeline = pipeline
        self.directory = directory
        self.claims = claims
        self.verifier = verifier
        self.upstreams = upstreams
        self.decisions = decisions
        self.clock = clock
        self.exchange = exchange
        self.responder = Responder(config, clock.now)
        self.memory_bytes = config.limits.spool_bytes
        self.body_timeout_s = config.limits.body_timeout_s
        self._covered = config.headers.forward == "covered"
        self._allowed = allowed_names(config)
        self._loop = asyncio.get_running_loop()
        # Ids need to be unique and short, not secret: a random start per worker, then a counter.
        self._run = os.urandom(5).hex()
        self._serial = itertools.count(1)

    def begin(
        self,
        connection: InboundConnection,
        head: Head | None,
        content: Content,
        refused: Refused | None,
        too_late: bool,
    ) -> Flight:
        """One request, or the refusal in its place. Called by its connection, which calls the result from then on."""
        flight = Flight(self, connection, head, content, next(self._serial))
        flight.begin(refused, too_late)
        return flight

    def id_of(self, number: int) -> str:
        """The id of the request with this number."""
        return f"{self._run}{number:08x}"

    def names(self, step: Admitted | Unverified) -> frozenset[bytes] | None:
        """Names that may go on to the backend, None for all (`[headers] forward`)."""
        if self._covered and isinstance(step, Admitted):
            return frozenset(step.verified.candidate.field_names())
        return self._allowed

    def report(self, error: Exception) -> None:
        """A defect that no answer can tell of."""
        context: dict[str, Any] = {"message": "a request could not be ended in good order", "exception": error}
        self._loop.call_exception_handler(context)
