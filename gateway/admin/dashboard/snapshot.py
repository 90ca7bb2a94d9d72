"""How everything stands at one moment: what the page shows, as JSON."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

import gateway
from gateway._native import HISTOGRAM_BOUNDS_S
from gateway.admin.survey import Count
from gateway.config import Config, warnings
from gateway.config.store import without_password
from gateway.observe.failing import Failing
from gateway.observe.fleet import Fleet
from gateway.observe.health import Health
from gateway.observe.page import Key, Numbers
from gateway.observe.table import METRICS

WORST: Final = 10


def snapshot(
    config: Config,
    fleet: Fleet,
    numbers: Numbers,
    values: Mapping[Key, float],
    health: Health,
    count: Count | None,
    now_s: float,
) -> dict[str, Any]:
    """Every series, and what is not a number.

    :param numbers: of the workers; :param values: of the gateway as a whole
    """
    return {
        "now": now_s,
        "since": fleet.since_s,
        "version": gateway.__version__,
        "health": msgspec.to_builtins(health),
        "workers": {"wanted": fleet.wanted, "serving": fleet.serving, "restarts": fleet.restarts},
        "bounds": HISTOGRAM_BOUNDS_S,
        "series": _series(numbers, values),
        "failing": [{**one, "explain": explain(config, one["client_id"])} for one in worst(fleet.stories())],
        "certificates": None if count is None else msgspec.to_builtins(count),
        "store": without_password(config.store.url),
        "upstream": ", ".join(server.url for upstream in config.upstreams for server in upstream.backends),
        "unsafe": warnings(config),
    }


def worst(stories: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The clients that all workers together refuse most; of the last refusals the newest counts."""
    found: dict[str, Failing] = {}
    for story in stories:
        for one in msgspec.convert(story.get("failing", []), list[Failing]):
            known = found.get(one.client_id)
            if known is None:
                found[one.client_id] = one
                continue
            newer = one if one.at > known.at else known
            found[one.client_id] = msgspec.structs.replace(
                newer, count=one.count + known.count, unsure=one.unsure + known.unsure
            )
    chosen = sorted(found.values(), key=lambda one: (-one.count, one.client_id))[:WORST]
    return [msgspec.to_builtins(one) for one in chosen]


def explain(config: Config, client_id: str) -> str:
    """The command that tells what is wrong with a request of this client, pasted behind it."""
    if config.source:
        where = f"-c {shlex.quote(config.source)}"
    else:
        where = f"--store {shlex.quote(without_password(config.store.url))}"
        if config.listen.public_url is not None:
            where += f" --public-url {shlex.quote(config.listen.public_url)}"
    return f"wfm-gateway explain {where} --id {shlex.quote(client_id)} -"


def _series(numbers: Numbers, values: Mapping[Key, float]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for (name, labels), number in numbers.items():
        row = METRICS[name]
        if row.kind == "histogram":
            told: Any = number
        else:
            told = number[0] / 1e9 if row.nanoseconds else number[0]
        found.setdefault(name, []).append([*labels, told])
    for (name, labels), value in values.items():
        found.setdefault(name, []).append([*labels, value])
    return found
