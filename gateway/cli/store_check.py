"""How `wfm-gateway store check` finds the request path's own connection, and tells what was found."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.registry.store import Store
    from gateway.registry.store_report import Memory, Report
    from gateway.registry.store_url import StoreTarget

_WHO = "check"
_SHOWN = 5
"""Keys that can be put right are named up to so many."""


def request_store(target: "StoreTarget", config: Path | None) -> "Store | None":
    """The store as the request path reaches it; None: as the commands do.

    :raises ConfigError: config.store_unreachable, config.invalid, config.unreadable
    """
    from gateway.registry import embedded
    from gateway.registry.store import Store
    from gateway.registry.store_url import EmbeddedStore
    from gateway.registry.targets import request_target

    if isinstance(target, EmbeddedStore):
        return Store.connect(embedded.request_endpoint(target), _WHO)
    if config is None:
        return None
    from gateway.config import load

    reached = request_target(load(config).store)
    return None if isinstance(reached, EmbeddedStore) else Store.connect(reached, _WHO)


def index_findings(store: "Store", report: "Report", repair: bool) -> "Report":
    """The report with what is wrong in the index of keys, which is looked at where changes can break off half-way, and
    where a `repair` was asked for; two clients with one key are an error.

    :raises ConfigError: config.store_unreachable
    """
    import msgspec

    from gateway.registry import index_check
    from gateway.registry.store_report import Finding
    from gateway.registry.store_url import ClusterStore

    if not repair and not isinstance(store.endpoint, ClusterStore):
        return report
    apart = index_check.examine(store)
    told = {each: f"{each.sentence} (realm {each.realm}, key {each.spki_sha256})" for each in apart}
    findings = [Finding("error", told[each]) for each in apart if each.repair is None]
    broken = [each for each in apart if each.repair is not None]
    if repair:
        done = sum(store.repair([each.repair for each in broken if each.repair is not None]))
        if broken:
            findings.append(Finding("warning", f"{done} of {len(broken)} keys were put right in the index"))
    elif broken:
        findings += [Finding("warning", told[each]) for each in broken[:_SHOWN]]
        findings.append(
            Finding("warning", f"keys that the index is wrong about: {len(broken)}; --repair puts it right")
        )
    return msgspec.structs.replace(report, findings=(*report.findings, *findings))


def lines(report: "Report") -> Iterator[str]:
    """The report for reading."""
    latency = report.latency
    yield f"store         {report.store}"
    yield f"version       {report.version or 'unknown'}"
    yield f"role          {report.role}"
    yield (
        f"latency       min {latency.min_ms:.2f}  median {latency.median_ms:.2f}  max {latency.max_ms:.2f} ms "
        f"({latency.count} commands)"
    )
    yield f"persistence   {report.persistence}"
    yield f"memory        {_memory(report.memory)}"
    yield f"connections   {'unknown' if report.connections is None else format(report.connections, ',')}"
    clients = ", ".join(f"{count:,} in realm {realm}" for realm, count in sorted(report.clients.items()))
    yield f"clients       {clients or 'none'}"
    for finding in report.findings:
        yield f"{finding.level.upper()}: {finding.message}"
    if not report.findings:
        yield "nothing to complain of"


def _memory(memory: "Memory") -> str:
    used = "unknown" if memory.used_bytes is None else _size(memory.used_bytes)
    limit = f"of {_size(memory.limit_bytes)}" if memory.limit_bytes else "without a limit"
    return f"{used} {limit}, {memory.policy or 'policy unknown'}"


def _size(count: int) -> str:
    return f"{count / 10**9:.1f} GB" if count >= 10**9 else f"{count / 10**6:.1f} MB"
