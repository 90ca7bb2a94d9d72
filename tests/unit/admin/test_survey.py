"""Counts of certificates near their end: read once a minute at most, told in the log once a day."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.admin import survey
from gateway.admin.survey import Count, Survey, tell_daily
from gateway.observe.log import Log
from gateway.reasons import ConfigError, Reason
from tests.support.clock import FakeClock


class CountingDesk:
    """Answers at once, and counts how often it was asked."""

    def __init__(self, clock: FakeClock, took_s: float = 0.0, failures: int = 0) -> None:
        self.asked = 0
        self._clock = clock
        self._took_s = took_s
        self._failures = failures

    async def do(self, work: Callable[[Any], Count]) -> Count:
        self.asked += 1
        self._clock.advance(self._took_s)
        await asyncio.sleep(0)
        if self._failures:
            self._failures -= 1
            raise ConfigError(Reason.CONFIG_STORE, "the store is away")
        return Count(2, 1, 0, self._clock.now())


def test_many_askers_one_reading_a_minute() -> None:
    async def run() -> None:
        clock = FakeClock()
        desk = CountingDesk(clock)
        made = Survey(desk, clock)  # type: ignore[arg-type]
        await asyncio.gather(*(made.count() for _ in range(10)))
        assert desk.asked == 1
        clock.advance(59)
        await made.count()
        assert desk.asked == 1
        clock.advance(2)
        await made.count()
        assert desk.asked == 2

    asyncio.run(run())


def test_a_long_reading_is_told_for_longer() -> None:
    async def run() -> None:
        clock = FakeClock()
        desk = CountingDesk(clock, took_s=30)
        made = Survey(desk, clock)  # type: ignore[arg-type]
        await made.count()
        clock.advance(200)
        await made.count()
        assert desk.asked == 1
        clock.advance(100)
        await made.count()
        assert desk.asked == 2

    asyncio.run(run())


def test_one_line_a_day_in_spite_of_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    read_fd, write_fd = os.pipe()

    async def run() -> None:
        clock = FakeClock()
        made = Survey(CountingDesk(clock, failures=2), clock)  # type: ignore[arg-type]
        log = Log(write_fd, "info", clock)
        task = asyncio.ensure_future(tell_daily(made, log))
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            if seconds:
                slept.append(seconds)
            if len(slept) == 5:
                task.cancel()
            await real(0)

        monkeypatch.setattr(survey.asyncio, "sleep", sleep)
        await asyncio.gather(task, return_exceptions=True)
        log.close()

    asyncio.run(run())
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as told:
        lines = [orjson.loads(line) for line in told]
    assert slept == [survey.RETRY_S, survey.RETRY_S, survey.DAY_S, survey.DAY_S, survey.DAY_S]
    assert [line["event"] for line in lines] == ["registry.uncounted", *["registry.certificates"] * 3]
    assert lines[1]["level"] == "warning"
    assert (lines[1]["expiring_30d"], lines[1]["expired"]) == (2, 1)


def test_whoever_looks_never_waits() -> None:
    async def run() -> None:
        clock = FakeClock()
        desk = CountingDesk(clock, failures=1)
        made = Survey(desk, clock)  # type: ignore[arg-type]

        async def looked() -> Count | None:
            found = made.latest()
            for _ in range(5):
                await asyncio.sleep(0)
            return found

        assert [await looked(), await looked(), desk.asked] == [None, None, 1], "trouble is not asked for again at once"
        clock.advance(survey.AGE_S)
        assert await looked() is None
        assert await looked() == Count(2, 1, 0, clock.now())
        assert desk.asked == 2
        clock.advance(survey.AGE_S)
        before = await looked()
        assert before is not None
        assert before.at == clock.now() - survey.AGE_S, "the old count, while the new one is made"
        assert await looked() == Count(2, 1, 0, clock.now())

    asyncio.run(run())
