"""Section `[upstream]`: the WFM behind the gateway, and how we prove to it who we are (R17)."""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from gateway.config.address import Address, Origin, read_address, read_origin
from gateway.config.files import readable
from gateway.config.kinds import Count, Seconds
from gateway.config.mistake import Mistake, wrong

_URL: Final = '"http://host:port", "https://host:port" or "unix:///path", without path and query: paths go on unchanged'
_FILE: Final = "the name of a PEM file"

PemFile = Annotated[str, Meta(min_length=1, description=_FILE)]


class Upstream(Struct, frozen=True, kw_only=True, gc=False):
    """`connections` is per worker. `client_cert` and `client_key` are PEM files and go together.
    `assertion_key`: a private key; every verified request carries a signed `Wfm-Assertion`."""

    url: Annotated[str, Meta(description=_URL)]
    ca: PemFile | None = None
    client_cert: PemFile | None = None
    client_key: PemFile | None = None
    assertion_key: PemFile | None = None
    connect_timeout_s: Seconds = 5.0
    response_timeout_s: Seconds = 60.0
    connections: Count = 256

    @property
    def socket(self) -> Address | None:
        """The unix socket of the backend, if it is one."""
        if not self.url.startswith("unix:"):
            return None
        found = read_address(self.url)
        if found is None or not found.path.startswith("/"):
            raise wrong("upstream.url", self.url, _URL)
        return found

    @property
    def origin(self) -> Origin | None:
        """Scheme, host and port of the backend; None if it is a unix socket."""
        if self.url.startswith("unix:"):
            return None
        found = read_origin(self.url, ("http", "https"))
        if found is None:
            raise wrong("upstream.url", self.url, _URL)
        return found


def settle(upstream: Upstream, base: Path) -> Upstream:
    """Check every value and make file names absolute.

    :raises Mistake: config.invalid, config.unreadable
    """
    _ = upstream.socket
    origin = upstream.origin
    changes: dict[str, str] = {}
    for name in ("ca", "client_cert", "client_key"):
        path = getattr(upstream, name)
        if path is None:
            continue
        if origin is None or origin.scheme != "https":
            raise Mistake(f"upstream.{name}", 'only means something with an "https://" upstream.url')
        changes[name] = readable(f"upstream.{name}", path, base)
    if upstream.assertion_key is not None:
        changes["assertion_key"] = readable("upstream.assertion_key", upstream.assertion_key, base)
    if (upstream.client_cert is None) != (upstream.client_key is None):
        present, absent = ("client_cert", "client_key") if upstream.client_cert else ("client_key", "client_cert")
        raise Mistake(f"upstream.{absent}", f"missing, although upstream.{present} is given")
    return structs.replace(upstream, **changes)
