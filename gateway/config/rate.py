"""Section `[rate]`: how many requests a client, an address or a tenant may send (429 to the others)."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.config.kinds import Count

Limit = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,6}/[smh]$", description='a number per second, minute or hour, such as "10/s"')
]

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


class Rate(Struct, frozen=True, kw_only=True, gc=False):
    """None: no limit. A `_burst` is how many may come at once; None: as many as the rate gives in a second, at least 5.

    An address is the device's, as found behind `listen.trusted_proxies`; of an IPv6 address its /64.
    `bad_signatures_per_address`: an address with more signed requests than that of which no signature holds is answered
    without looking at any."""

    per_client: Limit | None = None
    per_client_burst: Count | None = None
    per_tenant: Limit | None = None
    per_tenant_burst: Count | None = None
    per_address: Limit | None = None
    per_address_burst: Count | None = None
    bad_signatures_per_address: Limit | None = None
    bad_signatures_burst: Count | None = None

    @property
    def limits_anything(self) -> bool:
        """There is a limit."""
        limits = (self.per_client, self.per_tenant, self.per_address, self.bad_signatures_per_address)
        return any(limit is not None for limit in limits)


def per_second(limit: str) -> float:
    """`"30/m"` is 0.5."""
    number, _, unit = limit.partition("/")
    return int(number) / _SECONDS[unit]
