"""Where a request came from and where it goes: external authority (R6, R7), path (R1), route."""

from gateway.routing.locate import Locator
from gateway.routing.match import Match
from gateway.routing.table import RouteTable

__all__ = ["Locator", "Match", "RouteTable"]
