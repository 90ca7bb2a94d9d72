"""Reads a store URL into what can be connected to: an embedded store's directory, one server, or a fleet of servers."""

import ipaddress
import re
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from gateway.config.address import split_authority
from gateway.reasons import ConfigError, Reason

DEFAULT_MAXMEMORY_BYTES: Final = 1 << 30
DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
KNOWN: Final = (
    "embedded:DIR, unix:///path, redis://host:port/db, redis+sentinel://host:port,.../MASTER/db or "
    "redis+cluster://host:port,... (rediss for TLS)"
)
_SENTINEL: Final = ("redis+sentinel", "rediss+sentinel")
_CLUSTER: Final = ("redis+cluster", "rediss+cluster")
_MASTER: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_UNITS: Final = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}
_SMALLEST_MEMORY_BYTES: Final = 16 << 20


class EmbeddedStore(msgspec.Struct, frozen=True):
    """A Valkey of our own under `directory` (absolute). `server` names another binary than the one that was installed
    with us; `maxmemory_bytes` bounds what it keeps."""

    directory: Path
    server: Path | None = None
    maxmemory_bytes: int = DEFAULT_MAXMEMORY_BYTES

    def __str__(self) -> str:
        return f"embedded:{self.directory}"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, tag="server"):
    """Where a store server listens: a unix socket at `path`, or `host` and `port`. Its text never shows the password.

    `embedded` says that the server is ours, so that registry writes can wait for the disk; `replicated`, that a replica
    may take its place: then it must be the master, and which lineage of writes it continues is watched (R13).
    """

    path: str = ""
    host: str = ""
    port: int = DEFAULT_PORT
    tls: bool = False
    db: int = 0
    user: str = ""
    password: str = ""
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    embedded: bool = False
    replicated: bool = False

    @property
    def plain_remote(self) -> bool:
        """What is said crosses a network without TLS: unsafe (R27)."""
        return not self.path and not self.tls and not _is_loopback(self.host)

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"

    def __repr__(self) -> str:
        return f"Endpoint({self})"


class _Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What Sentinel and Cluster have in common: where to ask, how to connect, and whose credentials to use."""

    addresses: tuple[tuple[str, int], ...]
    tls: bool = False
    user: str = ""
    password: str = ""
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    @property
    def plain_remote(self) -> bool:
        """What is said crosses a network without TLS: unsafe (R27). Of the servers, only those named here are known."""
        return not self.tls and not all(_is_loopback(host) for host, _ in self.addresses)

    def server(self, host: str, port: int, db: int = 0) -> Endpoint:
        """One of its servers."""
        return Endpoint(
            host=host,
            port=port,
            tls=self.tls,
            db=db,
            user=self.user,
            password=self.password,
            ca=self.ca,
            client_cert=self.client_cert,
            client_key=self.client_key,
            replicated=True,
        )

    def _origin(self, kind: str) -> str:
        listed = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)
        return f"{'rediss' if self.tls else 'redis'}+{kind}://{listed}"


class SentinelStore(_Fleet, frozen=True, kw_only=True, tag="sentinel"):
    """A master with replicas, which the sentinels at `addresses` watch under the name `master`."""

    master: str
    db: int = 0

    def __str__(self) -> str:
        return f"{self._origin('sentinel')}/{self.master}/{self.db}"

    def __repr__(self) -> str:
        return f"SentinelStore({self})"


class ClusterStore(_Fleet, frozen=True, kw_only=True, tag="cluster"):
    """A cluster, some of whose nodes are at `addresses`; they tell of the others."""

    def __str__(self) -> str:
        return self._origin("cluster")

    def __repr__(self) -> str:
        return f"ClusterStore({self})"


RemoteStore: TypeAlias = Endpoint | SentinelStore | ClusterStore
StoreTarget: TypeAlias = EmbeddedStore | RemoteStore


def parse(url: str, base: Path | None = None) -> StoreTarget:
    """Read a store URL; a relative path in it resolves against `base`, or else the working directory (R27).

    :raises ConfigError: config.invalid, in one sentence that never repeats a password
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise _invalid(f"store URL {url!r} has no scheme; known are {KNOWN}")
    if scheme == "embedded":
        return _embedded(rest, base or Path.cwd())
    if scheme not in ("unix", "redis", "rediss", *_SENTINEL, *_CLUSTER):
        raise _invalid(f"store URL scheme {scheme!r} is unknown; known are {KNOWN}")
    if not rest.startswith("//"):
        raise _invalid(f"a store URL with {scheme} starts with {scheme}://")
    try:
        parts = urlsplit(url)
        if scheme in _SENTINEL:
            return _sentinel(parts)
        if scheme in _CLUSTER:
            return _cluster(parts)
        return _unix(parts) if scheme == "unix" else _network(parts)
    except ValueError as error:  # what urlsplit says of a bad port or bracket may repeat what was typed
        raise _invalid(f"the {scheme}:// store URL is malformed (host, port or brackets)") from error


def _embedded(rest: str, base: Path) -> EmbeddedStore:
    name, _, query = rest.partition("?")
    if name.startswith("//"):
        name = name[2:]  # embedded://DIR is a slip of the pen with one possible meaning
    if not name:
        raise _invalid("store URL embedded: names no directory; write embedded:DIR")
    server: Path | None = None
    maxmemory_bytes = DEFAULT_MAXMEMORY_BYTES
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option == "server" and value:
            server = _absolute(value, base)
        elif option == "maxmemory":
            maxmemory_bytes = _bytes(value)
        else:
            raise _invalid(
                f"store URL embedded:{name} has the unknown option {option!r}; known are server and maxmemory"
            )
    return EmbeddedStore(_absolute(unquote(name), base), server, maxmemory_bytes)


def _absolute(name: str, base: Path) -> Path:
    if "\0" in name:
        raise _invalid("a store URL cannot hold a NUL character")
    return (base / Path(name).expanduser()).absolute()


def _bytes(text: str) -> int:
    digits = text.rstrip("bBgGkKmM")
    unit = _UNITS.get(text[len(digits) :].lower())
    if unit is None or not (digits.isascii() and digits.isdigit()):
        raise _invalid(f"maxmemory of the embedded store is not a size like 512mb or 2gb: {text!r}")
    size = int(digits) * unit
    if size < _SMALLEST_MEMORY_BYTES:
        raise _invalid(f"maxmemory of the embedded store must be at least 16mb, not {text!r}")
    return size


def _unix(parts: SplitResult) -> Endpoint:
    _no_more(parts)
    if parts.hostname or not parts.path.startswith("/"):
        raise _invalid("a unix store URL needs an absolute path: unix:///path (three slashes)")
    return Endpoint(
        path=unquote(parts.path), user=unquote(parts.username or ""), password=unquote(parts.password or "")
    )


def _network(parts: SplitResult) -> Endpoint:
    _no_more(parts)
    if not parts.hostname:
        raise _invalid(f"store URL {parts.scheme}:// names no host")
    db = parts.path.removeprefix("/") or "0"
    if not (db.isascii() and db.isdigit() and len(db) < 6):
        raise _invalid(f"the path of a {parts.scheme}:// store URL is a database number, not {parts.path!r}")
    return Endpoint(
        host=parts.hostname,
        port=DEFAULT_PORT if parts.port is None else parts.port,
        tls=parts.scheme == "rediss",
        db=int(db),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _sentinel(parts: SplitResult) -> SentinelStore:
    master, _, db = parts.path.removeprefix("/").partition("/")
    if _MASTER.fullmatch(master) is None:
        raise _invalid(
            f"a {parts.scheme}:// store URL ends with the master's name: {parts.scheme}://host:port,.../MASTER"
        )
    if db and not (db.isascii() and db.isdigit() and len(db) < 6):
        raise _invalid(f"what follows the master's name in a {parts.scheme}:// store URL is a database number")
    return SentinelStore(master=master, db=int(db or 0), **_fleet(parts, SENTINEL_PORT))


def _cluster(parts: SplitResult) -> ClusterStore:
    if parts.path not in ("", "/"):
        raise _invalid(f"a {parts.scheme}:// store URL has no path: a cluster has only database 0")
    return ClusterStore(**_fleet(parts, DEFAULT_PORT))


def _fleet(parts: SplitResult, port: int) -> dict[str, Any]:
    _no_more(parts)
    info, _, hosts = parts.netloc.rpartition("@")
    user, _, password = info.partition(":")
    addresses = []
    for authority in hosts.split(","):
        read = split_authority(authority)
        if read is None:
            raise _invalid(f"a {parts.scheme}:// store URL lists host:port,host:port; one of them is malformed")
        addresses.append((read[0], port if read[1] is None else read[1]))
    return {
        "addresses": tuple(addresses),
        "tls": parts.scheme.startswith("rediss"),
        "user": unquote(user),
        "password": unquote(password),
    }


def _no_more(parts: SplitResult) -> None:
    if parts.query or parts.fragment:
        raise _invalid(f"a {parts.scheme}:// store URL takes nothing after ? or # (in a password write %3F and %23)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _invalid(message: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, message)
