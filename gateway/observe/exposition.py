"""Series as text in the exposition format of Prometheus, version 0.0.4."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from gateway._native import HISTOGRAM_BOUNDS_S
from gateway.observe.page import Key, Numbers
from gateway.observe.table import METRICS, PREFIX, Metric

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_EDGES: Final = (*(f'le="{bound:g}"' for bound in HISTOGRAM_BOUNDS_S), 'le="+Inf"')


def render(numbers: Numbers, values: Mapping[Key, float]) -> bytes:
    """Every metric that has a series, in the order of the table.

    :param numbers: of the workers
    :param values: gauges and counters of the gateway as a whole, in their own units
    """
    found: dict[str, list[tuple[tuple[str, ...], list[int] | float]]] = {}
    for (name, labels), counted in numbers.items():
        found.setdefault(name, []).append((labels, counted))
    for (name, labels), single in values.items():
        found.setdefault(name, []).append((labels, single))
    lines: list[str] = []
    for name, row in METRICS.items():
        series = found.get(name)
        if series is not None:
            lines += [f"# HELP {PREFIX}{name} {row.help}", f"# TYPE {PREFIX}{name} {row.kind}"]
            for labels, number in sorted(series, key=lambda one: one[0]):
                lines += _lines(row, labels, number)
    return ("\n".join(lines) + "\n").encode()


def _lines(row: Metric, labels: tuple[str, ...], number: list[int] | float) -> Iterator[str]:
    name = PREFIX + row.name
    pairs = [f'{label}="{value.translate(_ESCAPES)}"' for label, value in zip(row.labels, labels, strict=True)]
    if not isinstance(number, list):
        yield f"{name}{_braced(pairs)} {_text(number)}"
    elif row.kind != "histogram":
        yield f"{name}{_braced(pairs)} {_text(number[0] / 1e9 if row.nanoseconds else number[0])}"
    else:
        *buckets, sum_ns = number
        below = list(accumulate(buckets))
        for edge, count in zip(_EDGES, below, strict=True):
            yield f"{name}_bucket{_braced([*pairs, edge])} {count}"
        yield f"{name}_sum{_braced(pairs)} {_text(sum_ns / 1e9)}"
        yield f"{name}_count{_braced(pairs)} {below[-1]}"


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
