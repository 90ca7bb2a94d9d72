"""The log: JSON lines that never block and never break."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.observe.log import BUFFER_BYTES, WRITE_BYTES, Log


class StillClock:
    """It is always the same moment."""

    def now(self) -> float:
        return 1_700_000_000.1234

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A descriptor to log to."""
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def lines(descriptor: int) -> list[dict[str, Any]]:
    """What was written."""
    return [json.loads(line) for line in os.pread(descriptor, 100_000_000, 0).splitlines()]


def test_lines_are_json_in_order(file: int) -> None:
    log = Log(file, "info", StillClock())
    for number in range(100):
        log.line("info", "counted", number=number)
    log.close()
    assert lines(file) == [
        {"time": "2023-11-14T22:13:20.123Z", "level": "info", "event": "counted", "number": number}
        for number in range(100)
    ]


def test_levels_below_the_threshold_are_not_written(file: int) -> None:
    log = Log(file, "warning")
    for level in ("debug", "info", "warning", "error"):
        assert log.enabled(level) is (level in ("warning", "error"))
        log.line(level, "x")
    log.close()
    assert [line["level"] for line in lines(file)] == ["warning", "error"]


def test_whatever_a_sender_wrote_stays_one_line(file: int) -> None:
    """R29."""
    log = Log(file)
    log.line("info", "x", path='a\r\n{"level":"error"}\x00\x1b[31m', odd="\udcff", octets=b"\xff\n", many=["\udc80", 1])
    log.close()
    (line,) = lines(file)
    assert line["path"] == 'a\r\n{"level":"error"}\x00\x1b[31m'
    assert (line["odd"], line["octets"], line["many"]) == ("\\udcff", "\\xff\n", ["\\udc80", 1])
    assert os.pread(file, 10_000, 0).count(b"\n") == 1
    assert b"\x1b" not in os.pread(file, 10_000, 0)


def test_lines_are_written_whole_in_pieces_that_a_pipe_does_not_tear() -> None:
    read, write = os.pipe()
    log = Log(write)
    texts: list[bytes] = []

    def collect() -> None:
        while data := os.read(read, WRITE_BYTES * 4):
            texts.append(data)

    reader = threading.Thread(target=collect)
    reader.start()
    for number in range(1000):
        log.line("info", "x", number=number, text="y" * (number % 300))
    log.close()
    os.close(write)
    reader.join()
    os.close(read)
    assert [json.loads(line)["number"] for line in b"".join(texts).splitlines()] == list(range(1000))


def test_reader_that_does_not_read_costs_lines_and_not_time() -> None:
    read, write = os.pipe()
    log = Log(write)
    text = "z" * 100_000
    count = BUFFER_BYTES // len(text) + 20
    for _ in range(count):
        log.line("info", "x", text=text)
    lost = log.dropped
    assert lost > 0
    received = bytearray()
    finished = threading.Event()

    def collect() -> None:
        while data := os.read(read, 1_000_000):
            received.extend(data)
            if received.count(b"\n") >= count - lost:
                finished.set()

    reader = threading.Thread(target=collect)
    reader.start()
    assert finished.wait(20)
    log.line("info", "after")
    log.close()
    os.close(write)
    reader.join()
    os.close(read)
    tail = [json.loads(line) for line in received.splitlines()[-2:]]
    assert [(line["event"], line.get("lines")) for line in tail] == [("log.dropped", lost), ("after", None)]


def test_log_that_nobody_can_take_is_counted_and_harmless() -> None:
    read, write = os.pipe()
    os.close(read)
    log = Log(write)
    log.line("info", "x")
    log.close()
    os.close(write)
    assert log.dropped == 1


class SteppingClock(StillClock):
    """Each look shows the next of some moments."""

    def __init__(self, *moments: float) -> None:
        self._moments = iter(moments)

    def now(self) -> float:
        return next(self._moments)


def test_time_stamps_follow_the_clock_over_the_end_of_a_second_and_back(file: int) -> None:
    log = Log(file, clock=SteppingClock(1_700_000_000.9999, 1_700_000_001.0, 1_700_000_001.25, 1_700_000_000.5))
    for _ in range(4):
        log.line("info", "x")
    log.close()
    assert [line["time"][-7:] for line in lines(file)] == ["20.999Z", "21.000Z", "21.250Z", "20.500Z"]


def test_a_line_is_written_without_another_one_behind_it(file: int) -> None:
    log = Log(file)
    for number in range(3):
        log.line("info", "x", number=number)
        deadline = time.monotonic() + 20
        while len(lines(file)) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    log.close()


def test_lines_of_several_threads_are_all_written(file: int) -> None:
    log = Log(file)

    def many(name: int) -> None:
        for number in range(2000):
            log.line("info", "x", thread=name, number=number)

    threads = [threading.Thread(target=many, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    for name in range(4):
        assert [line["number"] for line in lines(file) if line["thread"] == name] == list(range(2000))


def test_the_longest_write_to_a_pipe_is_one_that_is_not_torn(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.write

    def write(descriptor: int, data: memoryview) -> int:
        sizes.append(len(data))
        return real(descriptor, data)

    read, out = os.pipe()
    log = Log(out)
    monkeypatch.setattr(os, "write", write)
    for number in range(300):
        log.line("info", "x", number=number)
    log.close()
    os.close(out)
    os.close(read)
    assert sum(sizes) > WRITE_BYTES
    assert max(sizes) <= WRITE_BYTES
