"""What the dashboard is told: clients of all workers together, and a command that a shell takes as it is meant."""

import shlex
from pathlib import Path
from typing import Any

import msgspec

from gateway.admin.dashboard.snapshot import WORST, explain, snapshot, worst
from gateway.admin.survey import Count, Ending
from gateway.config import from_flags, load
from gateway.observe.fleet import Fleet
from gateway.observe.health import judge
from gateway.observe.page import Page
from tests.unit.config.documents import write


def told(client_id: str, count: int, at: float, reason: str = "signature.wrong", unsure: int = 0) -> dict[str, Any]:
    return {"client_id": client_id, "count": count, "unsure": unsure, "reason": reason, "detail": "", "request_id": "",
            "at": at}  # fmt: skip


def test_refusals_of_all_workers_are_added_up_and_the_newest_reason_counts() -> None:
    found = worst(
        [
            {"failing": [told("dev1", 5, 10.0, "replay.seen"), told("dev2", 6, 11.0)]},
            {"failing": [told("dev1", 3, 9.0, "policy.too_old", unsure=2)]},
            {},
        ]
    )
    assert [(one["client_id"], one["count"], one["unsure"], one["reason"], one["at"]) for one in found] == [
        ("dev1", 8, 2, "replay.seen", 10.0),
        ("dev2", 6, 0, "signature.wrong", 11.0),
    ]


def test_only_the_worst_are_shown() -> None:
    found = worst([{"failing": [told(f"dev{number}", number, 0.0) for number in range(1, 64)]}])
    assert [one["count"] for one in found] == list(range(63, 63 - WORST, -1))


def test_r29_a_command_to_copy_is_one_word_per_argument(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(here)"
    folder.mkdir()
    config = load(write(folder))
    evil = "x; rm -rf ~ `id` $(id) 'y'"
    assert shlex.split(explain(config, evil)) == [
        *("wfm-gateway", "explain", "-c", str(folder / "gateway.toml"), "--id", evil, "-"),
    ]


def test_without_a_file_the_command_says_what_the_flags_said_but_no_password(tmp_path: Path) -> None:
    config = from_flags("http://127.0.0.1:1", None, "https://wfm.example.com", "redis://u:secret@127.0.0.1:6379")
    command = explain(config, "dev1")
    assert "secret" not in command
    assert command.endswith(" --public-url https://wfm.example.com --id dev1 -")


def test_everything_is_in_it_and_no_secret(tmp_path: Path) -> None:
    config = from_flags(
        "http://127.0.0.1:1", None, "http://wfm.example.com", "redis://u:secret@127.0.0.1:6379", base=tmp_path
    )
    fleet = Fleet(1, 5.0)
    slot = fleet.new()
    page = Page(slot.descriptor)
    fleet.born(slot)
    page.counters.set(page.open("worker_cpu_seconds_total"), 1_500_000_000)
    page.counters.observe(page.open("request_duration_seconds", "accepted"), 0.001)
    count = Count(1, 0, 0, 9.0, (Ending(99, "default", "dev1"),))
    numbers = fleet.numbers()
    shot = snapshot(config, fleet, numbers, {("workers", ("serving",)): 1}, judge(fleet, numbers), count, 10.0)
    assert shot["series"]["worker_cpu_seconds_total"] == [[1.5]]
    assert shot["series"]["workers"] == [["serving", 1]]
    ((verdict, durations),) = shot["series"]["request_duration_seconds"]
    assert (verdict, sum(durations[:-1]), durations[-1]) == ("accepted", 1, 1_000_000)
    assert shot["health"]["status"] == "not_ready"
    assert shot["certificates"]["soonest"] == ({"ends": 99, "realm": "default", "client_id": "dev1"},)
    assert shot["unsafe"][0].startswith("listen.public_url")
    assert b"secret" not in msgspec.json.encode(shot)
