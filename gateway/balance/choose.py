"""The ways to choose among servers that are available."""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from gateway.balance.server import Server

_HASHES: Final = 2.0**64


def next_in_round(servers: Sequence[Server], weights: Sequence[float]) -> Server:
    """Weighted round robin that spreads the turns of heavy servers evenly: whoever has most credit pays the sum."""
    best, total = servers[0], 0.0
    for server, weight in zip(servers, weights, strict=True):
        server.credit += weight
        total += weight
        if server.credit > best.credit:
            best = server
    best.credit -= total
    return best


def round_of(servers: Sequence[Server]) -> list[Server]:
    """One whole round of turns by weight: as long as nothing changes, it repeats itself."""
    weights = [float(server.weight) for server in servers]
    return [next_in_round(servers, weights) for _ in range(sum(server.weight for server in servers))]


def least_busy(servers: Sequence[Server], weights: Sequence[float], first: int) -> Server:
    """The fewest requests for its weight; of those that are equal the next one from `first` on."""
    count = len(servers)
    best, least = servers[0], math.inf
    for step in range(count):
        index = (first + step) % count
        load = (servers[index].in_flight + 1) / weights[index]
        if load < least:
            best, least = servers[index], load
    return best


def by_client(servers: Sequence[Server], client_id: str) -> Server:
    """Weighted rendezvous hashing: if a server goes, its clients are spread over the rest, and nobody else moves."""
    best, best_score = servers[0], -1.0
    for server in servers:
        octets = f"{server.name}\0{client_id}".encode()
        drawn = (int.from_bytes(hashlib.blake2b(octets, digest_size=8).digest()) + 0.5) / _HASHES
        score = server.weight / -math.log(drawn)
        if score > best_score:
            best, best_score = server, score
    return best
