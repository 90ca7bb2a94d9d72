"""The limits of `[rate]`: who is asked when, and what is said to whoever has sent too much.

An address pays for whatever it sends. A client and its tenant pay only for what is admitted: neither a stranger nor a
copy of an earlier request can use up their share, and what is refused has claimed no nonce and may come again.
"""

import math
import socket
from typing import Final

from gateway.config.rate import Rate, per_second
from gateway.limiting.buckets import Buckets
from gateway.model import Client, Refusal
from gateway.reasons import Reason

BAD_SIGNATURES_WAIT_S: Final = 1.0
"""Signatures that fail at the same time must not shut out for long who shares the address."""

_MAPPED: Final = bytes(10) + b"\xff\xff"


class Limiter:
    """The limits of one worker.

    :param workers: how many share the rates of addresses; those of clients and tenants are kept by all together
        (`gateway.limiting.shared`)
    """

    def __init__(self, rate: Rate, workers: int = 1) -> None:
        def buckets(limit: str | None, burst: int | None, workers: int = 1) -> Buckets | None:
            if limit is None:
                return None
            a_second = per_second(limit)
            whole = burst or max(5, math.ceil(a_second))
            return Buckets(a_second / workers, max(1.0, whole / workers))

        self._addresses = buckets(rate.per_address, rate.per_address_burst, workers)
        self._bad = buckets(rate.bad_signatures_per_address, rate.bad_signatures_burst, workers)
        self._clients = buckets(rate.per_client, rate.per_client_burst)
        self._tenants = buckets(rate.per_tenant, rate.per_tenant_burst)

    @property
    def shared(self) -> dict[str, Buckets]:
        """The buckets that all workers share, by the name of their kind. Nothing of strangers is among them."""
        tables = {"client": self._clients, "tenant": self._tenants}
        return {kind: table for kind, table in tables.items() if table is not None}

    def arrived(self, address: str, signed: bool, now: float) -> Refusal | None:
        """A request of an address; `signed` if a signature is about to be looked at."""
        if not address or (self._addresses is None and self._bad is None):
            return None  # a unix socket without a proxy that says more
        key = network(address)
        if signed and self._bad is not None and (wait_s := self._bad.wait_s(key, now)):
            return _too_many(Reason.LIMIT_SIGNATURES, wait_s, address)
        if self._addresses is not None and (wait_s := self._addresses.take(key, now)):
            return _too_many(Reason.LIMIT_ADDRESS, wait_s, address)
        return None

    def failed(self, address: str, now: float) -> None:
        """No signature of a request held, or nobody is known by whose key one could."""
        if address and self._bad is not None:
            self._bad.spend(network(address), now, BAD_SIGNATURES_WAIT_S)

    def proven(self, client: Client, now: float) -> Refusal | None:
        """A signature of the client holds; nothing is charged yet."""
        if not client.client_id:
            return None  # a device that onboards
        if self._clients is not None and (wait_s := self._clients.wait_s((client.realm, client.client_id), now)):
            return _too_many(Reason.LIMIT_CLIENT, wait_s, "", client.client_id)
        tenant = client.tenant
        if self._tenants is not None and tenant and (wait_s := self._tenants.wait_s((client.realm, tenant), now)):
            return _too_many(Reason.LIMIT_TENANT, wait_s, f"tenant {tenant}", client.client_id)
        return None

    def admitted(self, client: Client, now: float) -> None:
        """A request of the client is let through."""
        if not client.client_id:
            return
        if self._clients is not None:
            self._clients.spend((client.realm, client.client_id), now)
        if self._tenants is not None and client.tenant:
            self._tenants.spend((client.realm, client.tenant), now)


def limiter_of(rate: Rate, workers: int = 1) -> Limiter | None:
    """The limits, None if there are none."""
    return Limiter(rate, workers) if rate.limits_anything else None


def network(address: str) -> str | bytes:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one, of which a host may have as many as it
    likes."""
    if ":" not in address:
        return address
    try:
        octets = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, UnicodeEncodeError):
        return address
    return octets if octets.startswith(_MAPPED) else octets[:8]


def _too_many(reason: Reason, wait_s: float, detail: str, client_id: str = "") -> Refusal:
    return Refusal(reason, detail, client_id, retry_after_s=math.ceil(wait_s))
