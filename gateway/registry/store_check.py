"""Examines a store: is it fast, does it keep what it is given, and may the request path do what it must and no more?"""

import secrets
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import redis

from gateway.registry import keys, store_client
from gateway.registry.cluster_client import ClusterClient
from gateway.registry.store_report import Finding, Latency, Memory, Report, all_latencies, all_memory

if TYPE_CHECKING:
    from gateway.registry.store import Store

_PINGS: Final = 200
_SLOW_MS: Final = 100.0  # the default of `store.timeout_ms`
_FULL: Final = 0.8
_PROBE_MS: Final = 5000


def examine(store: "Store", client: Any, request: Any | None = None) -> Report:
    """Examine an open store; of a cluster, each master.

    :param client: its connection
    :param request: a connection as the request path has it; None: the same
    :raises ConfigError: config.store_unreachable
    """
    findings: list[Finding] = []
    with store_client.translated(store.endpoint):
        if isinstance(client, ClusterClient):
            servers = [_server(each, findings, f"{host}:{port}: ") for (host, port), each in client.masters.items()]
            role = _cluster_role(client, findings)
        else:
            servers = [_server(client, findings)]
            role = servers[0].role
        _rights(client, request or client, findings)
    clients: dict[str, int] = {}
    for name in store.names(keys.CLIENT_PREFIX):
        realm = name.removeprefix(keys.CLIENT_PREFIX).partition(b":")[0].decode(errors="replace")
        clients[realm] = clients.get(realm, 0) + 1
    connections = [server.connections for server in servers]
    return Report(
        str(store.endpoint),
        store.version(),
        all_latencies([server.latency for server in servers]),
        all_memory([server.memory for server in servers]),
        ", ".join(dict.fromkeys(server.persistence for server in servers)),
        role,
        clients,
        None if None in connections else sum(filter(None, connections)),
        tuple(findings),
    )


class _Server(msgspec.Struct, frozen=True):
    """What was found of one server."""

    latency: Latency
    memory: Memory
    persistence: str
    role: str
    connections: int | None


def _server(client: Any, findings: list[Finding], name: str = "") -> _Server:
    """Examine one server; `name` stands before what is found."""
    found: list[Finding] = []
    info = _info(client)
    examined = _Server(
        _latency(client, found),
        _memory(info, found),
        _persistence(client, info, found),
        _role(info, found),
        info.get("connected_clients"),
    )
    findings += [Finding(each.level, name + each.message) for each in found]
    return examined


def _cluster_role(client: ClusterClient, findings: list[Finding]) -> str:
    replicas = client.map.masters
    for (host, port), count in replicas.items():
        if count == 0:
            _warn(
                findings, f"{host}:{port}: this master has no replica: if it is lost, its part of the registry is, too"
            )
    return f"cluster of {len(replicas)} masters with {sum(replicas.values())} replicas"


def _info(client: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.info()
    except redis.exceptions.NoPermissionError:
        return {}
    return found


def _latency(client: Any, findings: list[Finding]) -> Latency:
    took: list[float] = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        client.ping()
        took.append((time.perf_counter() - began) * 1000)
    found = Latency(min(took), statistics.median(took), max(took), len(took))
    if found.median_ms > _SLOW_MS / 4:
        _warn(findings, f"the store answers in {found.median_ms:.0f} ms: each new client and each claim waits for it")
    elif found.max_ms > _SLOW_MS:
        _warn(
            findings,
            f"one of {found.count} answers took {found.max_ms:.0f} ms: with store.timeout_ms = {_SLOW_MS:.0f} its "
            "request would get 503",
        )
    return found


def _memory(info: dict[str, Any], findings: list[Finding]) -> Memory:
    used, limit, policy = info.get("used_memory"), info.get("maxmemory"), info.get("maxmemory_policy")
    if policy is None:
        _warn(findings, "the store does not tell its maxmemory-policy: see to it that it is noeviction")
    elif policy != "noeviction":
        what = "clients of the registry" if policy.startswith("allkeys") else "replay claims"
        when = "" if limit else " once it has a maxmemory"
        _fail(findings, f"maxmemory-policy is {policy}: the store may evict {what}{when}; set it to noeviction")
    if used is not None and limit and used > _FULL * limit:
        _warn(findings, f"{100 * used / limit:.0f} % of maxmemory is in use: a full store refuses requests (503)")
    return Memory(used, limit, policy)


def _persistence(client: Any, info: dict[str, Any], findings: list[Finding]) -> str:
    if not info:
        _warn(findings, "the store does not tell whether it keeps its data on disk")
        return "unknown"
    if info.get("aof_last_write_status", "ok") != "ok":
        _fail(findings, "the store cannot write its append-only file: look at its disk")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        _warn(findings, "the store could not write its last snapshot: look at its disk")
    if info.get("aof_enabled"):
        return "append-only file"
    saves = _setting(client, "save")
    if saves is None:
        _warn(findings, "the store has no append-only file, and does not tell whether it makes snapshots")
        return "no append-only file"
    if saves:
        _warn(findings, "the store makes snapshots only: a crash loses the changes and claims since the last one")
        return "snapshots"
    _warn(findings, "the store keeps nothing on disk: a restart forgets every client")
    return "none"


def _role(info: dict[str, Any], findings: list[Finding]) -> str:
    role = str(info.get("role", "unknown"))
    if role == "slave":
        _fail(findings, "the store is a replica that cannot be written to: name the primary")
        return "replica"
    if role == "master":
        return f"primary with {info.get('connected_slaves', 0)} replicas"
    return role


def _rights(client: Any, request: Any, findings: list[Finding]) -> None:
    """May the request path read records and changes and set claims (R13), and nothing else (R27)?"""
    claim, epoch = keys.seen_key(secrets.token_bytes(16)), keys.EPOCH
    if isinstance(request, ClusterClient):
        number = keys.bucket_of(claim)
        claim, epoch = keys.bucket_key(number, claim), keys.bucket_epoch(number)
    steps: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("read clients", ("GET", keys.client_key("default", "-"))),
        ("follow changes", ("XREVRANGE", keys.CHANGES, "+", "-", "COUNT", 1)),
        ("read the epoch of its memory", ("GET", epoch)),
        ("set replay claims", ("SET", claim, 1, "NX", "PX", _PROBE_MS)),
        ("release replay claims", ("SET", claim, 1, "IFEQ", 1, "PXAT", 1)),
    )
    for what, command in steps:
        try:
            try:
                request.execute_command(*command)
            except redis.exceptions.ResponseError as error:
                # Redis, and Valkey before 8.1: there is no IFEQ, and a script compares and deletes.
                if "IFEQ" not in command or not str(error).startswith("syntax error"):
                    raise
                request.execute_command("EVAL", "return redis.call('DEL', KEYS[1])", 1, claim)
        except redis.exceptions.NoPermissionError:
            _fail(findings, f"the request path's user may not {what}: README, chapter Store, has its ACL")
        except redis.exceptions.ReadOnlyError:
            break  # a replica: that is told already
        except redis.exceptions.OutOfMemoryError:
            _fail(findings, "the store is full: it takes no replay claims, and every request that needs one gets 503")
    try:
        counter = keys.rate_key("client", secrets.token_hex(16), 0)
        request.execute_command("INCRBY", counter, 1)
        request.execute_command("EXPIRE", counter, 0)  # at once
    except redis.exceptions.NoPermissionError:
        _warn(findings, "the request path's user may not count requests, so each worker keeps to the limits of [rate] "
              "alone: README, chapter Store, has its ACL")  # fmt: skip
    except redis.exceptions.RedisError:
        pass  # a replica, or full: that is told already
    try:
        user = request.execute_command("ACL", "WHOAMI")
        told = client.execute_command("ACL", "DRYRUN", user, "SET", keys.client_key("default", "-"), "x")
    except redis.exceptions.RedisError:
        return  # older than 7.0, or this user may not ask
    if told in (b"OK", "OK"):
        name = user.decode() if isinstance(user, bytes) else user
        _warn(findings, f"the request path's user {name} may write clients: give it least rights (store.user)")


def _setting(client: Any, name: str) -> str | None:
    try:
        found: dict[Any, Any] = client.config_get(name)
    except redis.exceptions.ResponseError:  # not allowed, or no such command on a hosted store
        return None
    value = found.get(name, found.get(name.encode()))
    return value.decode() if isinstance(value, bytes) else value


def _warn(findings: list[Finding], message: str) -> None:
    findings.append(Finding("warning", message))


def _fail(findings: list[Finding], message: str) -> None:
    findings.append(Finding("error", message))
