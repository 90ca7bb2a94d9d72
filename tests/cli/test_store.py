"""`wfm-gateway store` on real stores: check, export, import and migrate, and what they say when something is amiss."""

import io
import json
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main, progress
from gateway.registry import keys, transfer
from gateway.registry.operations import Action, StateChange
from gateway.registry.pins import Pins
from gateway.registry.registration import OtherKey, Outcome, prepare
from gateway.registry.store import Store
from tests.fault.valkey import Valkey
from tests.support import certificates as made

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command in an empty folder; status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.run(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_one


@pytest.fixture(scope="module")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Valkey, Valkey]]:
    with Valkey(tmp_path_factory.mktemp("a")) as first, Valkey(tmp_path_factory.mktemp("b")) as second:
        yield first, second


@pytest.fixture
def servers(_servers: tuple[Valkey, Valkey]) -> tuple[Valkey, Valkey]:
    """Two servers without data."""
    for server in _servers:
        server.client.flushall()
        server.client.config_set("maxmemory-policy", "noeviction")
    return _servers


def url(server: Valkey) -> str:
    return f"unix://{server.socket}"


def fill(server: Valkey) -> None:
    """One client of each kind in two realms, a replaced key, a pin; replay claims, which stay behind."""
    now_s = int(time.time())

    def wanted(client_id: str, realm: str = "default", **settings: Any) -> Any:
        import msgspec

        registration = prepare(realm, client_id, made.certificate(made.p256_spki()), "cert", now_s)
        return msgspec.structs.replace(registration, **settings)

    with Store.connect(server.endpoint, "cli:alice") as store:
        for name in ("active", "revoked", "retired", "removed", "replaced"):
            store.add(wanted(name, tenant="plant-7", labels={"line": "3"}))
        store.add(wanted("active", "plant-2"))
        store.add(wanted("replaced", other_key=OtherKey.REPLACE))
        for action in (Action.REVOKE, Action.RETIRE, Action.REMOVE):
            name = {"revoke": "revoked", "retire": "retired", "remove": "removed"}[action.value]
            assert not store.apply(StateChange("default", name, action, "why")).outcome.refused
        Pins(store._client, server.endpoint, "cli:alice", store._clock).add("default", "ab" * 32, "line 3")
    server.client.set(keys.seen_key(b"x" * 16), 1)


def registry(server: Valkey) -> dict[bytes, bytes]:
    names = [name for prefix in (b"client", b"spki", b"pin") for name in server.client.keys(b"wfmgw:" + prefix + b":*")]
    return dict(zip(names, server.client.mget(names), strict=True)) if names else {}


def test_check(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    fill(servers[0])
    status, out, _ = run("store", "check", "--store", url(servers[0]))
    assert status == 0
    for part in (
        "version       valkey ",
        "latency       min ",
        "append-only file",
        "5 in realm default, 1 in realm plant-2",
    ):
        assert part in out
    told = json.loads(run("store", "check", "--store", url(servers[0]), "--json")[1])
    assert (told["reachable"], told["fine"], told["clients"]) == (True, True, {"default": 5, "plant-2": 1})
    assert told["latency"]["count"] > 0


def test_r13_check_fails_for_a_store_that_may_evict(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    servers[0].client.config_set("maxmemory-policy", "allkeys-lru")
    status, out, _ = run("store", "check", "--store", url(servers[0]))
    assert status == 1
    assert "ERROR: maxmemory-policy is allkeys-lru" in out
    status, out, _ = run("store", "check", "--store", url(servers[0]), "--json")
    assert (status, json.loads(out)["fine"]) == (1, False)


def test_check_of_a_store_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert run("store", "check", "--store", f"unix://{tmp_path}/none")[0] == 2
    status, out, err = run("store", "check", "--store", f"unix://{tmp_path}/none", "--json")
    assert (status, err) == (2, "")
    assert json.loads(out)["reachable"] is False


def test_r27_check_tries_the_request_paths_user_of_a_configuration(
    run: Run, servers: tuple[Valkey, Valkey], tmp_path: Path
) -> None:
    servers[0].client.execute_command("ACL", "SETUSER", "poor", "reset", "on", ">secret", "+ping", "+info")
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "gateway.toml").write_text(
        f'[listen]\naddress = "127.0.0.1:8080"\npublic_url = "https://wfm.example"\n'
        f'[upstream]\nurl = "http://127.0.0.1:9"\n'
        f'[store]\nurl = "{url(servers[0])}"\nuser = "poor"\npassword_file = "password"\nadmin_url = "{url(servers[0])}"\n'
    )
    status, out, err = run("store", "check", "-c", "gateway.toml")
    assert (status, err) == (1, "")
    assert "ERROR: the request path's user may not set replay claims" in out


def test_migrate_moves_all_of_a_registry(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    source, target = servers
    fill(source)
    status, out, err = run("store", "migrate", url(source), url(target))
    assert (status, err) == (0, "")
    assert registry(target) == registry(source)
    assert "FROM has 6 clients, 4 removed keys, 1 pins; TO has 6 clients, 4 removed keys, 1 pins" in out
    assert out.endswith("complete\n")
    assert not target.client.keys(b"wfmgw:seen:*")
    copied = source.client.xrange(keys.CHANGES)
    assert target.client.xrange(keys.CHANGES)[: len(copied)] == copied
    history = json.loads(run("clients", "history", "revoked", "--store", url(target), "--json")[1])
    assert [change["what"] for change in history["changes"]] == ["added", "revoked", "restored"]
    assert history["complete"] is True


def test_migrate_can_be_started_again(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    source, target = servers
    fill(source)
    run("store", "migrate", url(source), url(target))
    before = registry(target), target.client.xlen(keys.CHANGES)
    status, out, _ = run("store", "migrate", url(source), url(target), "--json")
    told = json.loads(out)
    assert (status, told["complete"], told["history"]) == (0, True, None)
    assert told["counts"] == {"keys unchanged": 4, "pins unchanged": 1, "clients unchanged": 6}
    assert (registry(target), target.client.xlen(keys.CHANGES)) == before


def test_r22_what_was_revoked_in_between_arrives_with_overwrite_and_never_the_other_way(
    run: Run, servers: tuple[Valkey, Valkey]
) -> None:
    source, target = servers
    fill(source)
    run("store", "migrate", url(source), url(target))
    run("clients", "revoke", "active", "--store", url(source))
    status, out, err = run("store", "migrate", url(source), url(target))
    assert status == 1
    assert "NOT complete" in out
    assert "client active of realm default: the store has another record of this client" in err
    assert run("store", "migrate", url(source), url(target), "--overwrite")[0] == 0
    with Store.connect(target.endpoint, "x") as store:
        assert store.get("default", "active").status.value == "revoked"
    assert set(registry(target)) == set(registry(source))
    run("clients", "revoke", "active", "--realm", "plant-2", "--store", url(target))
    status, _, err = run("store", "migrate", url(source), url(target), "--overwrite")
    assert status == 1
    assert "client active of realm plant-2: the client is a revoked one in this store" in err


def test_migrate_to_the_same_store_is_a_slip(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    assert run("store", "migrate", url(servers[0]), url(servers[0]))[0] == 2


def test_r25_migrate_tells_of_records_that_are_damaged(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    source, target = servers
    fill(source)
    source.client.set(keys.client_key("default", "broken"), b"{")
    status, _, err = run("store", "migrate", url(source), url(target))
    assert status == 1
    assert "client broken of realm default: the record of broken" in err
    assert len(registry(target)) == len(registry(source)) - 1


def test_export_and_import(run: Run, servers: tuple[Valkey, Valkey], tmp_path: Path) -> None:
    source, target = servers
    fill(source)
    status, out, err = run("store", "export", "--output", "registry.jsonl", "--store", url(source))
    assert (status, out, err) == (0, "", "11 entries written\n")
    assert stat.S_IMODE((tmp_path / "registry.jsonl").stat().st_mode) == 0o600
    assert run("store", "export", "--store", url(source))[1].count("\n") == 13
    status, out, err = run("store", "import", "registry.jsonl", "--store", url(target))
    assert (status, err) == (0, "")
    assert out == "6 clients restored, 4 keys restored, 1 pins restored\n"
    assert registry(target) == registry(source)
    again = json.loads(run("store", "import", "registry.jsonl", "--store", url(target), "--json")[1])
    assert again == {"counts": {"keys unchanged": 4, "pins unchanged": 1, "clients unchanged": 6}, "refused": []}


def test_import_from_standard_input(run: Run, servers: tuple[Valkey, Valkey], monkeypatch: pytest.MonkeyPatch) -> None:
    fill(servers[0])
    text = run("store", "export", "--store", url(servers[0]))[1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run("store", "import", "-", "--store", url(servers[1]))[0] == 0
    assert registry(servers[1]) == registry(servers[0])


def test_r20_r22_a_file_takes_nobodys_key_and_brings_nobody_back(run: Run, servers: tuple[Valkey, Valkey]) -> None:
    source, target = servers
    fill(source)
    run("store", "export", "--output", "registry.jsonl", "--store", url(source))
    run("clients", "remove", "active", "--store", url(source))
    with Store.connect(source.endpoint, "x") as store:
        key = store.get("default", "retired").certs[0].der
    with Store.connect(target.endpoint, "x") as store:
        assert store.add(prepare("default", "somebody", key, "cert", 7)).outcome is Outcome.ADDED
    status, _, err = run("store", "import", "registry.jsonl", "--overwrite", "--store", url(source))
    assert status == 1
    assert "client active of realm default: the client is a removed one in this store" in err
    status, _, err = run("store", "import", "registry.jsonl", "--overwrite", "--store", url(target))
    assert status == 1
    assert "the store has it as the key of somebody" in err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:-1], "was cut off"),
        (lambda lines: lines[:3] + lines[4:], "some are missing"),
        (lambda lines: lines[1:], "does not begin as an export does"),
        (lambda lines: [lines[0].replace('"format":1', '"format":2'), *lines[1:]], "is of format 2"),
        (lambda lines: [lines[0], "nonsense", *lines[1:]], "line 2, is not a line of an export"),
        (lambda lines: [lines[0], '{"type":"pin","realm":"a:b","sha256":"x","value":""}', *lines[1:]], "grammar"),
        (lambda lines: [lines[0], "x" * (1 << 21), *lines[1:]], "is too long"),
        (lambda lines: [], "was cut off"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    run: Run,
    servers: tuple[Valkey, Valkey],
    tmp_path: Path,
    change: Callable[[list[str]], list[str]],
    says: str,
) -> None:
    fill(servers[0])
    lines = run("store", "export", "--store", url(servers[0]))[1].splitlines()
    (tmp_path / "file").write_text("\n".join(change(lines)))
    status, _, err = run("store", "import", "file", "--store", url(servers[1]))
    assert status == 2
    assert says in err


def test_export_says_what_it_left_out_and_never_leaves_half_a_file(
    run: Run, servers: tuple[Valkey, Valkey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(servers[0])
    servers[0].client.set(keys.client_key("default", "broken"), b"{")
    status, _, err = run("store", "export", "--output", "file", "--store", url(servers[0]))
    assert status == 1
    assert "broken of realm default was left out" in err
    before = (tmp_path / "file").read_bytes()
    scan = Store.scan

    def lose(self: Store, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from scan(self, prefix)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "scan", lose)
    assert run("store", "export", "--output", "file", "--store", url(servers[0]))[0] == 130
    assert (tmp_path / "file").read_bytes() == before
    assert run("store", "export", "--output", "no/where", "--store", url(servers[0]))[0] in (2, 130)


def test_a_bar_shows_on_a_terminal(run: Run, servers: tuple[Valkey, Valkey], monkeypatch: pytest.MonkeyPatch) -> None:
    fill(servers[0])
    monkeypatch.setattr(progress, "AFTER_S", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert "copying" in run("store", "migrate", url(servers[0]), url(servers[1]))[2]
    assert "writing" in run("store", "export", "--output", "file", "--store", url(servers[0]))[2]


def test_a_snapshot_begins_with_what_blocks() -> None:
    class Source:
        """Yields what a store has under each prefix."""

        def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
            if prefix == keys.SPKI_PREFIX:
                yield keys.spki_key("default", "aa"), b"tombstone:old"
                yield keys.spki_key("default", "bb"), b"dev1"

        def iterate(self, realm: str | None) -> Iterator[object]:
            yield from ()

    assert list(transfer.snapshot(Source())) == [transfer.KeyTombstone("default", "aa", "old")]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["check", "migrate", "export", "import"])
def test_every_store_command_has_an_example(name: str, run: Run) -> None:
    out = run("store", name, "--help")[1]
    assert f"    wfm-gateway store {name} " in out.partition("Example:\n")[2]
