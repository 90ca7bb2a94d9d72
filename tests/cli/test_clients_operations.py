"""`wfm-gateway clients revoke`, `retire`, `approve`, `rotate`, `history` and the filters of `list`, on a real store."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.cli import main
from gateway.cli.durations import Duration
from gateway.model import Status
from gateway.registry import embedded, keys
from gateway.registry.moments import moment
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore
from tests.support import certificates as made

Run = Callable[..., tuple[int, str, str]]
DAY_S = 86400


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


def certificate(path: Path, not_after: int = 4_000_000_000) -> Path:
    path.write_bytes(made.pem(made.certificate(made.p256_spki(), "device", not_after=not_after)))
    return path


def fleet(run: Run, tmp_path: Path, count: int) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    for number in range(count):
        certificate(folder / f"dev{number}.pem")
    assert run("add", "--from", "certs")[0] == 0


def statuses(run: Run) -> dict[str, str]:
    lines = [json.loads(line) for line in run("list", "--json")[1].splitlines()]
    return {line["id"]: line["status"] for line in lines}


@pytest.mark.parametrize(("verb", "status"), [("revoke", "revoked"), ("retire", "retired"), ("remove", "tombstone")])
def test_r22_an_end_keeps_its_reason_and_blocks_id_and_key(run: Run, tmp_path: Path, verb: str, status: str) -> None:
    fleet(run, tmp_path, 1)
    said = "removed" if verb == "remove" else status
    assert run(verb, "dev0", "--reason", "it was stolen") == (0, f"dev0: {said}\n", "")
    shown = json.loads(run("show", "dev0", "--json")[1])
    assert (shown["status"], shown["reason"]) == (status, "it was stolen")
    assert run("add", "--id", "dev0", "--cert", "certs/dev0.pem")[0] == 1
    assert run("add", "--id", "other", "--cert", "certs/dev0.pem")[0] == 1
    assert run("add", "--id", "dev0", "--cert", "certs/dev0.pem", "--lift")[0] == 0


def test_several_and_a_file_of_ids(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 5)
    (tmp_path / "ids.txt").write_text("# the truck\n\ndev1\n  dev2  # spare\ndev0\nnobody\n")
    status, out, err = run("revoke", "dev0", "--from", "ids.txt", "--reason", "truck stolen")
    assert (status, out, err) == (1, "3 revoked, 1 unknown client\n", "nobody: there is no client nobody\n")
    expected = dict.fromkeys(("dev0", "dev1", "dev2"), "revoked") | dict.fromkeys(("dev3", "dev4"), "active")
    assert statuses(run) == expected
    status, out, err = run("revoke", "dev2", "dev3", "--json")
    assert (status, err) == (0, "1 unchanged, 1 revoked\n")
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["unchanged", "revoked"]


def test_nothing_is_changed_when_one_id_is_not_one(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 1)
    status, out, err = run("revoke", "dev0", "a/b")
    assert (status, out) == (2, "")
    assert "client id 'a/b'" in err
    assert statuses(run) == {"dev0": "active"}
    assert run("revoke")[0] == 2
    assert run("revoke", "--from", "no-such-file") == (
        2,
        "",
        "wfm-gateway: no-such-file cannot be read: No such file or directory\n",
    )


def test_approve_lets_in_who_waits(run: Run, tmp_path: Path) -> None:
    registration = prepare("default", "dev1", made.certificate(made.p256_spki()), "cert", int(time.time()))
    with (
        embedded.attach_or_start(EmbeddedStore(tmp_path / "data")) as endpoint,
        Store.connect(endpoint, "gateway") as store,
    ):
        store.add(msgspec.structs.replace(registration, status=Status.PENDING))
    assert [line.split()[:2] for line in run("list", "--status", "pending")[1].splitlines()][1:] == [
        ["dev1", "pending"]
    ]
    assert run("approve", "dev1", "--reason", "seen on site") == (0, "dev1: approved\n", "")
    assert run("approve", "dev1")[:2] == (0, "dev1: active already\n")
    assert statuses(run) == {"dev1": "active"}
    run("revoke", "dev1")
    status, _, err = run("approve", "dev1")
    assert status == 1
    assert "--lift" in err


def test_rotate_keeps_the_old_certificate_for_the_overlap(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 2)
    certificate(tmp_path / "new.pem")
    status, out, _ = run("rotate", "dev0", "--cert", "new.pem", "--overlap", "12h")
    assert (status, out) == (0, "dev0: rotated; the old certificate retires after the overlap\n")
    first, second = json.loads(run("show", "dev0", "--json")[1])["certificates"]
    ends = [moment(int(time.time()) + 12 * 3600 - late) for late in range(30)]
    assert first["retire_after"] in ends
    assert second["retire_after"] is None
    assert "(retires " in run("list")[1]
    assert (
        run("rotate", "dev0", "--cert", "new.pem", "--overlap", "12h")[1]
        == "dev0: rotated to this certificate already\n"
    )
    assert run("rotate", "dev1", "--cert", "new.pem") == (
        1,
        "",
        "dev1: the key belongs to client dev0 already: one key, one client\n",
    )
    assert run("rotate", "dev0", "--cert", "new.pem", "--overlap", "soon")[0] == 2
    assert run("rotate", "dev0")[0] == 2


def test_rotate_many_from_a_folder(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 3)
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("dev0", "dev1", "stranger"):
        certificate(folder / f"{name}.pem")
    status, out, err = run("rotate", "--from", "new", "--overlap", "0s")
    assert status == 1
    assert out.startswith("2 rotated, 1 unknown client in ")
    assert err == "stranger.pem: stranger: there is no client stranger\n"
    assert len(json.loads(run("show", "dev0", "--json")[1])["certificates"]) == 1


def test_history_tells_who_did_what_and_when(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 2)
    certificate(tmp_path / "new.pem")
    run("rotate", "dev0", "--cert", "new.pem")
    run("revoke", "dev0", "--reason", "stolen\x1b[2J")
    status, out, err = run("history", "dev0")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[1] for line in lines] == ["added", "rotated", "revoked"]
    assert all("  by cli:" in line for line in lines)
    assert lines[2].endswith("(stolen\\x1b[2J)")  # R29
    told = json.loads(run("history", "dev0", "--json")[1])
    assert told["complete"] is True
    assert [change["what"] for change in told["changes"]] == ["added", "rotated", "revoked"]
    assert told["changes"][2]["why"] == "stolen\x1b[2J"
    new = json.loads(run("show", "dev0", "--json")[1])["certificates"][1]
    assert told["changes"][1]["certificate"] == new["sha256"]
    assert run("history", "nobody") == (1, "", "there is no client nobody in realm default\n")


def test_history_says_when_the_stream_was_trimmed(run: Run, tmp_path: Path) -> None:
    fleet(run, tmp_path, 2)
    run("revoke", "dev0")
    with (
        embedded.attach_or_start(EmbeddedStore(tmp_path / "data")) as endpoint,
        Store.connect(endpoint, "x") as store,
    ):
        store._client.xtrim(keys.CHANGES, maxlen=1, approximate=False)
    status, out, err = run("history", "dev0")
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()] == ["revoked"]
    assert err.startswith("the stream of changes begins at 2")
    assert json.loads(run("history", "dev0", "--json")[1])["complete"] is False
    assert run("history", "dev1")[0] == 0  # it is there, though the stream tells nothing of it


def test_list_finds_who_ends_soon(run: Run, tmp_path: Path) -> None:
    now_s = int(time.time())
    for name, days in (("soon", 10), ("later", 60), ("ended", -5), ("rotates", 5), ("revoked", 5)):
        certificate(tmp_path / f"{name}.pem", now_s + days * DAY_S)
        run("add", "--id", name, "--cert", f"{name}.pem")
    certificate(tmp_path / "fresh.pem")
    run("rotate", "rotates", "--cert", "fresh.pem")
    run("revoke", "revoked")

    def listed(*arguments: str) -> list[str]:
        return [line.split()[0] for line in run("list", *arguments)[1].splitlines()[1:]]

    assert listed("--expiring", "30d") == ["ended", "soon"]  # who ends first comes first
    assert listed("--expiring", "9w") == ["ended", "soon", "later"]
    assert listed("--status", "revoked") == ["revoked"]
    assert listed("--status", "revoked", "--status", "active") == ["ended", "later", "revoked", "rotates", "soon"]
    ids = [json.loads(line)["id"] for line in run("list", "--expiring", "30d", "--json")[1].splitlines()]
    assert sorted(ids) == ["ended", "soon"]
    assert run("list", "--expiring", "30 days")[0] == 2
    assert run("list", "--status", "gone")[0] == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 30 * DAY_S), ("12h", 43200), ("90m", 5400), ("0s", 0), ("2W", 14 * DAY_S)]
)
def test_durations(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1.5d", "٣d", "99999999999w", "36601d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Exception, match=r"duration|longer"):
        Duration().convert(text, None, None)
