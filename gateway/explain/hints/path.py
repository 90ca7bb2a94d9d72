"""Routes: prefixes that a load balancer added or removed, ids and paths that no route takes (R1, R2)."""

from collections.abc import Iterator
from typing import cast

import msgspec

from gateway._native import Head
from gateway.config import Config
from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.model import Refusal
from gateway.reasons import Reason
from gateway.routing.match import Match
from gateway.routing.table import RouteTable

_DEPTH = 4


def hints(facts: Facts) -> Iterator[Hint]:
    """Why no route takes the request."""
    match = facts.match
    if isinstance(match, Match):
        return
    if match.reason is Reason.REQUEST_NO_ROUTE:
        yield from prefixes(facts.head, facts.config)
    elif match.reason is Reason.REQUEST_METHOD:
        allowed = ", ".join(match.allow)
        yield _hint(
            "method",
            f"The route takes {allowed}, not {shown(facts.head.method)}",
            f"{shown(facts.head.method)} {shown(facts.head.path, 120)}",
            "the route table",
            f"send {allowed}",
        )
    elif match.reason is Reason.REQUEST_PATH:
        yield _ambiguous(facts, match)


def prefixes(head: Head, config: Config) -> Iterator[Hint]:
    """What was added to the path or removed from it, if a route takes the request without that."""
    path, base_path = head.path, config.policy.base_path
    segments = path.split(b"/", _DEPTH + 2)[1:]
    for depth in range(1, min(_DEPTH, len(segments) - 1) + 1):
        prefix = b"/" + b"/".join(segments[:depth])
        inner = path[len(prefix) :]
        if _finds(head, config, inner, "") or (base_path and _finds(head, config, inner, base_path)):
            yield _hint(
                "base-path",
                f"The routes stand below {shown(prefix, 80)}",
                f"{shown(path, 160)} is no route, {shown(path[len(prefix) :], 160)} is one",
                f'tried: with policy.base_path = "{shown(prefix, 80)}" a route takes the request',
                "",
                f'set policy.base_path = "{shown(prefix, 80)}" (here: --base-path {shown(prefix, 80)}), or let the load'
                " balancer not add the prefix",
            )
            return
    if base_path and _finds(head, config, path, ""):
        yield _hint(
            "base-path",
            f"policy.base_path {base_path} is missing in the path",
            f"{shown(path, 160)} is a route without the prefix {base_path}",
            "tried: with an empty policy.base_path a route takes the request",
            f"call {base_path}{shown(path, 120)}",
            f'set policy.base_path = "", or let the load balancer not remove {base_path}',
        )
    elif path.endswith(b"/") and _finds(head, config, path.rstrip(b"/"), base_path):
        yield _hint(
            "trailing-slash",
            "A slash too many at the end of the path",
            shown(path, 160),
            "tried: without it a route takes the request",
            "leave the slash at the end out",
        )


def _finds(head: Head, config: Config, path: bytes, base_path: str) -> bool:
    if not path.startswith(b"/"):
        return False
    policy = msgspec.structs.replace(config.policy, base_path=base_path)
    table = RouteTable(msgspec.structs.replace(config, policy=policy))
    return isinstance(table.find(cast("Head", _Place(path, head.method))), Match)


class _Place(msgspec.Struct, frozen=True):
    path: bytes
    method: bytes


def _ambiguous(facts: Facts, match: Refusal) -> Hint:
    path = facts.head.path
    return _hint(
        "ambiguous-path",
        "The path can be read in two ways",
        f"{shown(path, 160)}: {shown(match.detail)}",
        "rule R1: what is signed must be what the backend executes",
        "send the path in its plain form: no empty or dot segments, nothing percent-encoded that need not be, %2F only"
        " in the device id",
        "look if a hop on the way added a slash or encoded something; profile generic can relax some of it per route",
    )


def _hint(code: str, title: str, found: str, proof: str, device: str, gateway: str = "") -> Hint:
    return Hint(code=code, title=title, found=found, proof=proof, proven=True, device=device, gateway=gateway)
