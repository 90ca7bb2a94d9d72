"""Grafana's dashboard and Prometheus' rules ask for metrics and labels that there are, and for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.observe.table import METRICS, PREFIX
from gateway.reasons import Reason

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "wfm-gateway.json"
RULES = DEPLOY / "prometheus" / "wfm-gateway.rules.yaml"
OF_PROMETHEUS = {"job", "instance"}
SUFFIXES = ("_bucket", "_sum", "_count")


def queries(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "query", "definition") and isinstance(inner, str):
                yield inner
            yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


def everything() -> list[str]:
    rules = re.findall(r"^ +expr: (.*)$", RULES.read_text(), re.MULTILINE)
    assert len(rules) == RULES.read_text().count("- alert:")
    return [*queries(json.loads(DASHBOARD.read_text())), *rules]


def labels_of(name: str) -> set[str]:
    """Labels of a sample with this name."""
    for suffix in SUFFIXES:
        row = METRICS.get(name.removesuffix(suffix))
        if name.endswith(suffix) and row is not None and row.kind == "histogram":
            return {*row.labels, *OF_PROMETHEUS, *(["le"] if suffix == "_bucket" else [])}
    row = METRICS[name]
    assert row.kind != "histogram", f"{name} alone is no series"
    return {*row.labels, *OF_PROMETHEUS}


@pytest.mark.parametrize("query", [one for one in everything() if PREFIX in one])
def test_a_query_names_what_there_is(query: str) -> None:
    found = re.findall(rf"{PREFIX}(\w+)(?:\{{(.*?)\}}(?=[\[)\s,]|$))?", query)
    assert len(found) == query.count(PREFIX)
    every: set[str] = set()
    for name, chosen in found:
        known = labels_of(name)
        every |= known
        assert set(re.findall(r"(\w+)(?:=~|!=|=)", chosen)) <= known, name
    for grouped in re.findall(r"(?:by|on) \((.*?)\)", query):
        assert set(re.split(r", ?", grouped)) <= every
    for counter in re.findall(rf"{PREFIX}\w+_total", query):
        assert re.search(rf"(?:rate|increase)\({counter}", query), "a counter alone says nothing"


def test_reasons_in_queries_are_those_of_the_table() -> None:
    families = {reason.partition(".")[0] for reason in Reason}
    exact = {*Reason, "accepted", "open", "own"}
    named = 0
    for query in everything():
        for operator, value in re.findall(r'reason(=~|=)"(.*?)"', query):
            named += 1
            group = re.fullmatch(r"\((.*)\)\[\.\]\.\*", value)
            assert set(group[1].split("|")) <= families if group else set(value.split("|")) <= exact, (operator, value)
    assert named >= 4


def test_every_metric_of_a_request_is_shown_somewhere() -> None:
    text = "\n".join(everything())
    for name, row in METRICS.items():
        if row.labels and row.kind != "gauge":
            assert PREFIX + name in text, name


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
