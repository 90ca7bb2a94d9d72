"""Which gateways can be measured here: planes and engines that this version and this machine have."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import structs

from benchmarks.macro.cost import Case
from benchmarks.macro.gateway import Sections, merged, refusal
from benchmarks.macro.presign import PUBLIC_URL

SOME: Final[Sections] = {"listen": {"public_url": PUBLIC_URL}, "upstream": {"url": "http://127.0.0.1:9"}}
NATIVE: Final[Sections] = {"listen": {"plane": "native"}}
AIOHTTP: Final[Sections] = {"listen": {"plane": "aiohttp"}}
SINGLE: Final[Sections] = {"engine": {"p256": "single", "p384": "single"}}
BATCH: Final[Sections] = {"engine": {"p256": "batch", "p384": "batch"}}
FAST: Final[Sections] = {"engine": {"p256": "fast", "p384": "fast"}}

P256_CASES: Final = (
    Case("native plane, single engine", merged(NATIVE, SINGLE), {16: 1.25}),
    Case("native plane, batch engine", merged(NATIVE, BATCH), {16: 0.70, 64: 0.60}),
    Case("native plane, awscrt", merged(NATIVE, FAST), {}),
    Case("aiohttp plane, single engine", merged(AIOHTTP, SINGLE), {}),
    Case("aiohttp plane, batch engine", merged(AIOHTTP, BATCH), {}),
)
P384_CASES: Final = (
    Case("native plane, batch engine", merged(NATIVE, BATCH), {64: 0.25}),
    Case("native plane, awscrt", merged(NATIVE, FAST), {64: 0.60}),
    Case("native plane, single engine", merged(NATIVE, SINGLE), {}),
    Case("aiohttp plane, batch engine", merged(AIOHTTP, BATCH), {}),
)


class Left(msgspec.Struct, frozen=True):
    """A case that cannot be measured, and why."""

    case: Case
    why: str


def sort(cases: tuple[Case, ...], folder: Path) -> tuple[list[Case], list[Left]]:
    """Those that this gateway takes, and the others."""
    good, left = [], []
    one_plane = bool(refusal(merged(SOME, AIOHTTP), folder))
    for case in cases:
        if one_plane and case.sections.get("listen") == AIOHTTP["listen"]:
            case = structs.replace(case, sections={k: v for k, v in case.sections.items() if k != "listen"})
        why = refusal(merged(SOME, case.sections), folder)
        if why:
            left.append(Left(case, why))
        else:
            good.append(case)
    return good, left


def usual(folder: Path) -> Sections:
    """The gateway that everything but the first table measures: the native plane, if there is one; engines as the
    gateway chooses them."""
    return {} if refusal(merged(SOME, NATIVE), folder) else NATIVE
