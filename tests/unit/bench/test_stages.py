"""The pieces that are timed are those of a real verification."""

import os
import subprocess
import sys

import msgspec
import pytest

from gateway._native import parse_head, select
from gateway.bench.cases import Key, keys, make_case
from gateway.bench.engines import available
from gateway.bench.processes import Family, cpu_s, family
from gateway.bench.stages import BATCH, STAGES, measure, measure_engines, spread, stages_of
from gateway.model import Algorithm
from gateway.signature import batch, fast
from gateway.signature.engine import CryptographyEngine


@pytest.fixture(scope="module")
def made() -> list[Key]:
    return list(keys((2048,)))


def test_every_algorithm_is_there(made: list[Key]) -> None:
    assert {key.algorithm for key in made} == set(Algorithm)


@pytest.mark.parametrize(("body", "components"), [(b"", 4), (b"x" * 400, 4), (b"x" * 400, 32)])
def test_a_case_covers_as_many_components_as_it_says(made: list[Key], body: bytes, components: int) -> None:
    case = make_case(made[0], body, components)
    candidate = select(parse_head(case.head))[0]
    assert candidate.reason is None
    assert candidate.components.count(" ") == components - 1
    assert candidate.covers(b"content-digest") is bool(body)


def test_every_stage_of_every_case_is_timed(made: list[Key]) -> None:
    cases = [make_case(key, b"x" * 100, 5) for key in made]
    seen: list[int] = []
    costs = measure(cases, CryptographyEngine(), rounds=3, calls=2, done=seen.append)
    assert [cost.case for cost in costs] == cases
    for cost in costs:
        assert set(cost.us) == set(STAGES)
        assert all(0 < one.low <= one.median <= one.high for one in cost.us.values())
        # Whatever the machine does meanwhile, arithmetic costs more than writing the base.
        assert cost.us["arithmetic"].low > cost.us["base"].low
    assert seen == [1] * 4


def test_engines_get_one_and_several_signatures_at_a_time(made: list[Key]) -> None:
    choices = list(available())
    cases = [make_case(key, b"x", 4) for key in made]
    found = measure_engines(cases, choices, rounds=2, calls=1, done=lambda _: None)
    single = [(one.algorithm, one.at_once) for one in found if one.choice == "single"]
    assert single == [(key.title, at_once) for key in made for at_once in (1, BATCH)]
    assert {one.choice for one in found} == {choice.name for choice in choices}
    assert not [one for one in found if one.choice != "single" and one.algorithm.startswith("rsa")]


def test_the_batch_engine_is_listed_where_it_is() -> None:
    names = {choice.name for choice in available()}
    assert "single" in names
    assert ("batch" in names) is (not batch.missing())
    assert ("fast" in names) is (not fast.missing())


def test_what_does_not_verify_is_not_timed(made: list[Key]) -> None:
    good = make_case(made[0], b"x" * 10, 4)
    other = make_case(made[0], b"y" * 10, 4)
    stranger = make_case(next(keys(())), b"x" * 10, 4)
    with pytest.raises(AssertionError, match="does not verify"):
        stages_of(msgspec.structs.replace(good, body=other.body), CryptographyEngine())
    with pytest.raises(AssertionError, match="does not verify"):
        stages_of(msgspec.structs.replace(good, certificate=stranger.certificate), CryptographyEngine())


def test_the_spread_is_the_middle_half() -> None:
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.low, found.median, found.high) == (2, 3, 4)


def test_cpu_time_of_processes() -> None:
    before = cpu_s((os.getpid(),))
    sum(range(200_000))
    after = cpu_s((os.getpid(),))
    if before is None or after is None:
        pytest.skip("this system does not tell the CPU time of processes")
    assert after > before
    assert cpu_s(()) is None


def test_a_process_without_children_has_no_family() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alone:
        assert family(alone.pid) == Family((), None)
        alone.communicate(b"\n")
