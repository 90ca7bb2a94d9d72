"""`wfm-gateway clients import` on a real embedded store: three forms, dry run, report, and starting again."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main, progress
from gateway.registry import bulk
from tests.support import certificates as made

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one `clients` command in an empty folder, on the store `embedded:data` there; status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.run(["clients", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_one


def pem() -> str:
    return made.pem(made.certificate(made.p256_spki())).decode()


def json_lines(path: Path, entries: list[Any]) -> None:
    path.write_text("".join(entry + "\n" if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in entries))


def listed(run: Run, *arguments: str) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in run("list", "--json", *arguments)[1].splitlines()]
    return {line["id"]: line for line in lines}


def mixed(path: Path) -> str:
    """A list of two good rows and one of each kind of mistake; the key of the first."""
    first, weak = pem(), made.pem(made.certificate(made.compressed_p256_spki())).decode()
    json_lines(
        path,
        [
            {"id": "edge-1", "certificate": first, "tenant": "plant-7", "labels": {"line": "3"}},
            {"id": "edge/2", "certificate": pem()},
            "nonsense",
            {"id": "edge-4", "certificate": "hello!"},
            {"id": "edge-5", "certificate": first},
            {"id": "edge-6", "certificate": weak},
            {"id": "edge-7", "certificate": pem()},
            {"id": "edge-8", "certificate": pem(), "realm": "elsewhere"},
        ],
    )
    return first


def test_json_lines_with_every_rejected_row_told(run: Run, tmp_path: Path) -> None:
    mixed(tmp_path / "fleet.jsonl")
    status, out, err = run("import", "fleet.jsonl", "--report", "rejected.jsonl")
    assert status == 1
    assert out.startswith("2 added, 5 rejected, 1 key taken in ")
    told = err.splitlines()
    assert [line.split(": ")[:2] for line in told] == [
        ["line 2", "edge/2"],
        ["line 3", ""],
        ["line 4", "edge-4"],
        ["line 5", "edge-5"],
        ["line 6", "edge-6"],
        ["line 8", "edge-8"],
    ]
    assert told[3].endswith("the key belongs to client edge-1 already: one key, one client")  # R20
    report = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [(entry["line"], entry["id"], entry["outcome"]) for entry in report] == [
        (2, "edge/2", "rejected"),
        (3, "", "rejected"),
        (4, "edge-4", "rejected"),
        (5, "edge-5", "key_taken"),
        (6, "edge-6", "rejected"),
        (8, "edge-8", "rejected"),
    ]
    assert report[2]["message"] == "the certificate is neither PEM, nor DER, nor base64 of either"
    found = listed(run)
    assert set(found) == {"edge-1", "edge-7"}
    assert (found["edge-1"]["tenant"], found["edge-1"]["labels"]) == ("plant-7", {"line": "3"})


def test_a_dry_run_tells_the_same_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    mixed(tmp_path / "fleet.jsonl")
    (tmp_path / "other.pem").write_text(pem())
    run("add", "--id", "other", "--cert", "other.pem")
    status, out, dry = run("import", "fleet.jsonl", "--dry-run")
    assert status == 1
    assert out.startswith("2 added, 5 rejected, 1 key taken in ")
    assert out.endswith("(dry run: nothing was written)\n")
    assert set(listed(run)) == {"other"}
    assert run("import", "fleet.jsonl")[2] == dry


def test_a_dry_run_needs_no_store_yet(run: Run, tmp_path: Path) -> None:
    json_lines(tmp_path / "fleet.jsonl", [{"id": "edge-1", "certificate": pem()}])
    assert run("import", "fleet.jsonl", "--dry-run")[0] == 0
    assert listed(run) == {}


def test_it_can_be_started_again(run: Run, tmp_path: Path) -> None:
    entries = [{"id": f"edge-{number}", "certificate": pem()} for number in range(6)]
    json_lines(tmp_path / "fleet.jsonl", entries[:3])
    assert run("import", "fleet.jsonl")[1].startswith("3 added in ")
    json_lines(tmp_path / "fleet.jsonl", entries)
    status, out, err = run("import", "fleet.jsonl")
    assert (status, err) == (0, "")
    assert out.startswith("3 unchanged, 3 added in ")


def test_r22_an_import_brings_nobody_back(run: Run, tmp_path: Path) -> None:
    first, second = pem(), pem()
    json_lines(
        tmp_path / "fleet.jsonl", [{"id": "edge-1", "certificate": first}, {"id": "edge-2", "certificate": second}]
    )
    run("import", "fleet.jsonl")
    run("revoke", "edge-1")
    run("remove", "edge-2")
    json_lines(
        tmp_path / "again.jsonl",
        [
            {"id": "edge-1", "certificate": first},
            {"id": "edge-2", "certificate": pem()},
            {"id": "edge-3", "certificate": second},
        ],
    )
    status, out, _ = run("import", "again.jsonl", "--json")
    assert status == 1
    assert json.loads(out)["outcomes"] == {"key_removed": 2, "id_removed": 1}
    assert {name: entry["status"] for name, entry in listed(run).items()} == {
        "edge-1": "revoked",
        "edge-2": "tombstone",
    }


def test_csv_as_json(run: Run, tmp_path: Path) -> None:
    der = base64.b64encode(made.certificate(made.p256_spki())).decode()
    (tmp_path / "fleet.csv").write_text(
        f'id,certificate,tenant,labels\nedge-1,{der},plant-7,line=3\nedge-2,"{pem()}",,\nedge-3,junk!,,\n'
    )
    status, out, err = run("import", "fleet.csv", "--json", "--realm", "plant")
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert (told["rows"], told["outcomes"], told["dry_run"]) == (3, {"added": 2, "rejected": 1}, False)
    lines = 3 + pem().count("\n") + 1
    assert [(entry["line"], entry["id"]) for entry in told["rejected"]] == [(lines, "edge-3")]
    found = listed(run, "--realm", "plant")
    assert {name: entry["labels"] for name, entry in found.items()} == {"edge-1": {"line": "3"}, "edge-2": {}}


def test_a_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "edge-1.pem").write_text(pem())
    (folder / "junk.crt").write_text("hello!")
    (folder / "notes.txt").write_text("hello!")
    status, out, err = run("import", "certs")
    assert status == 1
    assert out.startswith("1 added, 1 rejected, 1 other file ignored in ")
    assert err == "junk.crt: junk: the certificate is neither PEM, nor DER, nor base64 of either\n"


def test_many_are_read_in_several_processes_in_the_order_of_the_rows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_SMALL", 20)
    monkeypatch.setattr(bulk, "_CHUNK", 10)
    monkeypatch.setattr(bulk, "_processes", lambda: 2)
    entries: list[Any] = [{"id": f"edge-{number}", "certificate": pem()} for number in range(60)]
    for number in (0, 5, 25, 59):
        entries[number] = {"id": f"edge-{number}", "certificate": "junk!"}
    json_lines(tmp_path / "fleet.jsonl", entries)
    status, out, _ = run("import", "fleet.jsonl", "--json")
    assert status == 1
    told = json.loads(out)
    assert told["outcomes"] == {"added": 56, "rejected": 4}
    assert [entry["line"] for entry in told["rejected"]] == [1, 6, 26, 60]
    assert len(listed(run)) == 56


def test_a_bar_shows_on_a_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    json_lines(tmp_path / "fleet.jsonl", [{"id": f"edge-{number}", "certificate": pem()} for number in range(3)])
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    err = run("import", "fleet.jsonl")[2]
    assert "reading" in err
    assert "100%" in err


def test_r29_what_a_list_holds_is_escaped(run: Run, tmp_path: Path) -> None:
    json_lines(tmp_path / "fleet.jsonl", [{"id": "x\x1b[31m", "certificate": "y"}])
    err = run("import", "fleet.jsonl")[2]
    assert "\x1b" not in err
    assert err.startswith("line 1: x\\x1b[31m: the client id")


def test_what_cannot_be_read_or_written(run: Run, tmp_path: Path) -> None:
    assert run("import", "nothing")[0] == 2
    mixed(tmp_path / "fleet.jsonl")
    status, _, err = run("import", "fleet.jsonl", "--report", "no/where.jsonl")
    assert status == 2
    assert "cannot be written" in err
