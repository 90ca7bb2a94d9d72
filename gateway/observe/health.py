"""How the gateway stands: what a probe is told, with the reasons."""

from typing import Final, Literal

import msgspec

from gateway.observe.fleet import Fleet
from gateway.observe.page import Numbers

STUCK_S: Final = 10.0
"""A worker whose loop has done nothing for that long serves nobody."""


class Trouble(msgspec.Struct, frozen=True, gc=False):
    """One thing that is not as it should be: a stable name, and a sentence for the operator."""

    reason: Literal["starting", "draining", "no_worker", "worker_missing", "worker_stuck", "store_unreachable"]
    detail: str


class Health(msgspec.Struct, frozen=True, gc=False):
    """`degraded` still takes requests, and refuses some of them with 503."""

    status: Literal["ready", "degraded", "not_ready"]
    reasons: tuple[Trouble, ...] = ()

    @property
    def ready(self) -> bool:
        """A load balancer should send requests here."""
        return self.status != "not_ready"


def judge(fleet: Fleet, numbers: Numbers) -> Health:
    """The present state.

    :param numbers: of `fleet`
    """
    stops: list[Trouble] = []
    harms: list[Trouble] = []
    if fleet.draining:
        stops.append(Trouble("draining", "the gateway is shutting down: it finishes what has begun"))
    elif not fleet.started:
        stops.append(Trouble("starting", f"{fleet.serving} of {fleet.wanted} workers serve so far"))
    serving = fleet.serving
    stuck = fleet.stuck(STUCK_S)
    if stuck:
        harms.append(Trouble("worker_stuck", f"{stuck} workers have done nothing for {STUCK_S:g} s"))
    if fleet.started and serving <= stuck:
        stops.append(Trouble("no_worker", "no worker serves"))
    elif fleet.started and serving < fleet.wanted:
        harms.append(Trouble("worker_missing", f"{serving} of {fleet.wanted} workers serve"))
    connected = numbers.get(("store_connected", ()), [0])[0]
    if serving and connected < serving:
        harms.append(
            Trouble(
                "store_unreachable",
                f"{connected} of {serving} workers are connected to the store; known clients pass for a while, claims "
                "are refused",
            )
        )
    return Health("not_ready" if stops else "degraded" if harms else "ready", (*stops, *harms))
