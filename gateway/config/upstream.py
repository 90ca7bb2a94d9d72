"""Section `[upstream]`, or several `[[upstream]]`: the WFM behind the gateway, its servers, how requests are shared out
among them, and how we prove to it who we are (R17)."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, structs

from gateway.config.address import Address, Origin, read_address, read_origin
from gateway.config.files import readable
from gateway.config.kinds import Count, Seconds
from gateway.config.mistake import Mistake, wrong
from gateway.config.table import read_table

_URL: Final = '"http://host:port", "https://host:port" or "unix:///path", without path and query: paths go on unchanged'
_FILE: Final = "the name of a PEM file"
_SERVERS: Final = 'a list such as ["http://a:80", {url = "http://b:80", weight = 2}], with weights from 1 to 100'
_NAME: Final = "a name of at most 64 letters, digits, `-` and `_`"
_PREFIXES: Final = 'a list of paths such as ["/api/v1/ota"], which stand for themselves and for all below them'
_CHECK_PATH: Final = 'a path such as "/healthz"'
_NAMES: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()+,=:@-]+)+", re.ASCII)
_TARGET: Final = re.compile(r"/[!-~]*", re.ASCII)

PemFile = Annotated[str, Meta(min_length=1, description=_FILE)]
Percent = Annotated[int, Meta(ge=0, le=100, description="a whole number from 0 to 100")]
SomeSeconds = Annotated[float, Meta(ge=0, le=86_400, description="seconds from 0 to 86400")]
Failures = Annotated[int, Meta(ge=0, le=1000, description="a whole number from 0 to 1000, 0 for never")]


class BackendServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One server; `weight` is its share of the requests."""

    url: str
    weight: Annotated[int, Meta(ge=1, le=100)] = 1


class Check(Struct, frozen=True, kw_only=True, gc=False):
    """`[upstream.check]`: every worker asks every server each `interval_s`; an answer below 400 is a pass. `rise`
    passes in a row bring a server back, `fall` failures take it out."""

    path: Annotated[str, Meta(description=_CHECK_PATH)]
    host: Annotated[str, Meta(min_length=1, description="a host name")] | None = None
    interval_s: Seconds = 5.0
    timeout_s: Seconds = 2.0
    rise: Count = 2
    fall: Count = 3


class Upstream(Struct, frozen=True, kw_only=True, gc=False):
    """`connections` is per worker and server, `max_requests` and `max_waiting` per worker. `client_cert` and
    `client_key` are PEM files and go together. `assertion_key`: a private key; every verified request carries a signed
    `Wfm-Assertion`. `eject_after` failures in a row take a server out for `eject_s`, each time longer."""

    url: Annotated[str, Meta(description=_URL)] = ""
    name: Annotated[str, Meta(description=_NAME)] = "default"
    servers: Annotated[tuple[str | BackendServer, ...], Meta(description=_SERVERS)] = ()
    prefixes: Annotated[tuple[str, ...], Meta(description=_PREFIXES)] = ()
    balance: Literal["round_robin", "least_requests", "client_id"] = "round_robin"
    check: Check | None = None
    eject_after: Failures = 5
    eject_s: Seconds = 10.0
    slow_start_s: SomeSeconds = 0.0
    max_requests: Count | None = None
    max_waiting: Count | None = None
    retry: Literal["unsent", "idempotent"] = "unsent"
    retry_percent: Percent = 10
    ca: PemFile | None = None
    client_cert: PemFile | None = None
    client_key: PemFile | None = None
    assertion_key: PemFile | None = None
    connect_timeout_s: Seconds = 5.0
    response_timeout_s: Seconds = 60.0
    idle_timeout_s: Seconds = 60.0
    connections: Count = 256

    @property
    def backends(self) -> tuple[BackendServer, ...]:
        """Its servers, also if there is only the one of `url`."""
        if not self.servers:
            return (BackendServer(url=self.url),)
        return tuple(BackendServer(url=one) if isinstance(one, str) else one for one in self.servers)

    @property
    def socket(self) -> Address | None:
        """The unix socket of `url`, if it is one."""
        return _socket(self.url, "upstream.url")

    @property
    def origin(self) -> Origin | None:
        """Scheme, host and port of `url`; None if it is a unix socket."""
        return _origin(self.url, "upstream.url")

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Those of all servers but unix sockets."""
        found = (_origin(server.url, "upstream.servers") for server in self.backends)
        return tuple(one for one in found if one is not None)

    def alone(self, server: BackendServer) -> "Upstream":
        """The same with this server only, in `url`."""
        return structs.replace(self, url=server.url, servers=())

    def covers(self, path: bytes) -> int:
        """Length of the prefix that `path` has, whole segments; 0 for none."""
        best = 0
        for text in self.prefixes:
            prefix = text.encode()
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                best = max(best, len(prefix))
        return best


def read(table: Any, at: str, sections: dict[str, type[Any]]) -> Upstream:
    """One upstream with its `check`.

    :raises Mistake: config.invalid
    """
    if not isinstance(table, dict):
        raise wrong(at, table, "a table, or several, written [[upstream]]")
    plain = {key: value for key, value in table.items() if key != "check"}
    section = read_table(Upstream, plain, at, sections)
    if "check" not in table:
        return section
    return structs.replace(section, check=read_table(Check, table["check"], f"{at}.check", sections))


def settle(upstream: Upstream, base: Path, at: str = "upstream") -> Upstream:
    """Check every value and make file names absolute.

    :raises Mistake: config.invalid, config.unreadable
    """
    _check_servers(upstream, at)
    _check_sharing(upstream, at)
    changes: dict[str, str] = {}
    secure = any(origin.scheme == "https" for origin in upstream.origins)
    for name in ("ca", "client_cert", "client_key"):
        path = getattr(upstream, name)
        if path is None:
            continue
        if not secure:
            key = f"{at}.servers" if upstream.servers else f"{at}.url"
            raise Mistake(f"{at}.{name}", f'only means something with an "https://" {key}')
        changes[name] = readable(f"{at}.{name}", path, base)
    if upstream.assertion_key is not None:
        changes["assertion_key"] = readable(f"{at}.assertion_key", upstream.assertion_key, base)
    if (upstream.client_cert is None) != (upstream.client_key is None):
        present, absent = ("client_cert", "client_key") if upstream.client_cert else ("client_key", "client_cert")
        raise Mistake(f"{at}.{absent}", f"missing, although {at}.{present} is given")
    return structs.replace(upstream, **changes)


def settle_all(entries: tuple[Upstream, ...], base: Path) -> tuple[Upstream, ...]:
    """Check several; the first of those returned is the one without prefixes.

    :raises Mistake: config.invalid, config.unreadable
    """
    settled = [settle(entry, base, f"upstream[{index}]") for index, entry in enumerate(entries)]
    names: dict[str, int] = {}
    prefixes: dict[str, int] = {}
    rest: int | None = None
    for index, entry in enumerate(settled):
        if names.setdefault(entry.name, index) != index:
            raise Mistake(f"upstream[{index}].name", f'"{entry.name}" is the name of upstream[{names[entry.name]}] too')
        for prefix in entry.prefixes:
            if prefixes.setdefault(prefix, index) != index:
                raise Mistake(f"upstream[{index}].prefixes", f'"{prefix}" stands in upstream[{prefixes[prefix]}] too')
        if not entry.prefixes:
            if rest is not None:
                raise Mistake(
                    f"upstream[{index}].prefixes", f"missing; only one may be without, and upstream[{rest}] is"
                )
            rest = index
    if rest is None:
        raise Mistake("upstream", "one [[upstream]] must have no prefixes: it gets what none of the others is for")
    return (settled.pop(rest), *settled)


def _check_servers(upstream: Upstream, at: str) -> None:
    if not upstream.servers:
        if not upstream.url:
            raise Mistake(f"{at}.url", f"missing, wanted {_URL}")
        if _socket(upstream.url, f"{at}.url") is None:
            _origin(upstream.url, f"{at}.url")
        return
    if upstream.url:
        raise Mistake(f"{at}.url", f"stands beside {at}.servers; put it into that list")
    seen: set[str] = set()
    for server in upstream.backends:
        if _socket(server.url, f"{at}.servers") is None:
            _origin(server.url, f"{at}.servers")
        if server.url in seen:
            raise Mistake(f"{at}.servers", f'"{server.url}" stands twice; give it a weight instead')
        seen.add(server.url)


def _check_sharing(upstream: Upstream, at: str) -> None:
    if not _NAMES.fullmatch(upstream.name):
        raise wrong(f"{at}.name", upstream.name, _NAME)
    for prefix in upstream.prefixes:
        if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
            raise wrong(f"{at}.prefixes", prefix, _PREFIXES)
    if upstream.prefixes and at == "upstream":
        raise Mistake("upstream.prefixes", "means nothing for the only upstream; several are written [[upstream]]")
    if upstream.slow_start_s and upstream.balance == "client_id":
        raise Mistake(f"{at}.slow_start_s", 'means nothing with balance = "client_id": every client has its server')
    check = upstream.check
    if check is not None and not _TARGET.fullmatch(check.path):
        raise wrong(f"{at}.check.path", check.path, _CHECK_PATH)
    if check is not None and check.host is not None and not _TARGET.fullmatch("/" + check.host):
        raise wrong(f"{at}.check.host", check.host, "a host name")


def _socket(url: str, key: str) -> Address | None:
    if not url.startswith("unix:"):
        return None
    found = read_address(url)
    if found is None or not found.path.startswith("/"):
        raise wrong(key, url, _URL)
    return found


def _origin(url: str, key: str) -> Origin | None:
    if url.startswith("unix:"):
        return None
    found = read_origin(url, ("http", "https"))
    if found is None:
        raise wrong(key, url, _URL)
    return found
