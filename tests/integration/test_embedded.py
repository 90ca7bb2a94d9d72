"""The embedded store: who holds its server, who may use it, and what survives which end."""

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from gateway.reasons import ConfigError, Reason
from gateway.registry import embedded, embedded_process, keys
from gateway.registry.embedded_files import Files
from gateway.registry.file_lock import FileLock
from gateway.registry.store_url import EmbeddedStore, Endpoint
from tests.support.embedded_holder import Holder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store that does not exist yet; whatever server a test leaves behind is ended."""
    directory = tmp_path / "store"
    yield EmbeddedStore(directory)
    if directory.is_dir():
        embedded_process.end(Files(directory))


def put(endpoint: Endpoint, key: str, value: str) -> None:
    with redis.Redis(unix_socket_path=endpoint.path) as client:
        client.set(key, value)


def get(endpoint: Endpoint, key: str) -> bytes | None:
    with redis.Redis(unix_socket_path=endpoint.path) as client:
        return client.get(key)


def pid_of(store: EmbeddedStore) -> int:
    return int(Files(store.directory).running.read_text().split()[0])


def runs(store: EmbeddedStore) -> bool:
    return embedded_process.runs(Files(store.directory))


# The directory


def test_r27_the_directory_and_everything_in_it_is_ours_alone(store: EmbeddedStore) -> None:
    before = os.umask(0)
    try:
        with embedded.attach_or_start(store):
            modes = {
                path: stat.S_IMODE(path.lstat().st_mode) for path in [store.directory, *store.directory.rglob("*")]
            }
    finally:
        os.umask(before)
    assert len(modes) > 8
    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_r27_an_open_empty_directory_is_closed_to_others(store: EmbeddedStore) -> None:
    store.directory.mkdir(mode=0o755)
    with embedded.attach_or_start(store):
        assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


def test_r27_a_store_that_was_opened_up_is_closed_again(store: EmbeddedStore) -> None:
    with embedded.attach_or_start(store):
        pass
    store.directory.chmod(0o777)
    with embedded.attach_or_start(store):
        assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


def test_an_open_directory_with_other_files_is_left_alone(store: EmbeddedStore) -> None:
    store.directory.mkdir(mode=0o755)
    (store.directory / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds other files") as caught, embedded.attach_or_start(store):
        pass
    assert caught.value.reason is Reason.CONFIG_STORE
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o755
    (store.directory / "letter.txt").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
def test_r27_a_directory_of_another_user_is_refused(store: EmbeddedStore) -> None:
    store.directory.mkdir(mode=0o700)
    os.chown(store.directory, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345"), embedded.attach_or_start(store):
        pass
    os.chown(store.directory, os.geteuid(), -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_r27_what_others_left_in_an_opened_store_is_not_used(store: EmbeddedStore) -> None:
    with embedded.attach_or_start(store):
        pass
    store.directory.chmod(0o777)
    planted = store.directory / "server"  # it names the program that is run as the server
    os.chown(planted, 12345, -1)
    for _ in range(2):
        with pytest.raises(ConfigError, match="server of user 12345"), embedded.attach_or_start(store):
            pass
    os.chown(planted, os.geteuid(), -1)


def test_a_file_in_the_place_of_the_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        with (
            pytest.raises(ConfigError, match=r"[Nn]ot a directory"),
            embedded.attach_or_start(EmbeddedStore(tmp_path / name)),
        ):
            pass


def test_a_command_that_only_reads_makes_no_store(store: EmbeddedStore) -> None:
    with pytest.raises(ConfigError, match="there is no embedded store at"), embedded.attach_or_start(store, False):
        pass
    assert not store.directory.exists()


# The socket


@pytest.mark.parametrize("gateway", [False, True])
def test_a_long_path_moves_the_socket_to_a_short_place_that_is_ours(tmp_path: Path, gateway: bool) -> None:
    store = EmbeddedStore(tmp_path / ("long " * 20) / "store")
    server = embedded.Server(store)
    if gateway:
        server.start()
    with embedded.attach_or_start(store) as endpoint:
        place = Path(endpoint.path).parent
        assert len(endpoint.path) <= 100
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert (store.directory / "runtime").read_text() == str(place)
        put(endpoint, "a", "1")
        with embedded.attach_or_start(store) as second:
            assert get(second, "a") == b"1"
    assert place.exists() is gateway
    server.stop()
    assert not place.exists()


def test_r27_a_recorded_socket_place_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / ("long " * 20) / "store")
    with embedded.attach_or_start(store):
        pass
    open_place = tmp_path / "open"
    open_place.mkdir(mode=0o755)
    (store.directory / "runtime").write_text(str(open_place))
    with embedded.attach_or_start(store) as endpoint:
        assert Path(endpoint.path).parent != open_place


# Whose server it is


def test_a_command_starts_a_server_for_the_moment_and_data_stay(store: EmbeddedStore) -> None:
    with embedded.attach_or_start(store) as endpoint:
        put(endpoint, "a", "1")
        assert runs(store)
    assert not runs(store)
    with embedded.attach_or_start(store) as endpoint:
        assert get(endpoint, "a") == b"1"


def test_a_command_uses_the_gateways_server_and_leaves_it(store: EmbeddedStore) -> None:
    server = embedded.Server(store)
    server.start()
    with embedded.attach_or_start(store) as endpoint:
        assert pid_of(store) == server.pid
        put(endpoint, "a", "1")
    assert server.alive()
    assert get(server.admin, "a") == b"1"
    server.stop()
    assert not server.alive()
    assert not runs(store)


def test_r27_a_second_gateway_is_told_who_holds_the_directory(store: EmbeddedStore) -> None:
    server = embedded.Server(store)
    server.start()
    with pytest.raises(ConfigError, match=rf"in use by another gateway \(pid {os.getpid()}\)"):
        embedded.Server(store).start()
    assert server.alive()
    server.stop()
    second = embedded.Server(store)
    second.start()
    second.stop()


def test_of_two_commands_the_last_one_ends_the_server(store: EmbeddedStore) -> None:
    with Holder(store.directory) as first:
        first.wait_in()
        with embedded.attach_or_start(store) as endpoint:
            put(endpoint, "a", "1")
            first.leave()
            assert get(endpoint, "a") == b"1"  # although the one who started it has gone
    assert not runs(store)


def test_many_commands_at_once_all_get_in(store: EmbeddedStore) -> None:
    def visit(_: int) -> int:
        with embedded.attach_or_start(store) as endpoint, redis.Redis(unix_socket_path=endpoint.path) as client:
            return int(client.incr("visits"))

    with ThreadPoolExecutor(8) as pool:
        counts = sorted(pool.map(visit, range(40)))
    assert counts == list(range(1, 41))
    assert not runs(store)


def test_a_gateway_waits_for_a_momentary_command_and_starts_its_own(store: EmbeddedStore) -> None:
    server = embedded.Server(store)
    with Holder(store.directory) as command:
        command.wait_in()
        momentary = pid_of(store)
        starting = threading.Thread(target=server.start)
        starting.start()
        lock = FileLock(Files(store.directory).lock)
        while lock.read() != str(os.getpid()):  # until the gateway has announced itself
            assert starting.is_alive()
        assert starting.is_alive()
        assert server.pid is None
        command.leave()
        starting.join(10)
    assert server.alive()
    assert server.pid != momentary
    server.stop()


def test_a_gateway_gives_commands_a_moment_before_it_ends_its_server(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LEAVE_S", 0.2)
    server = embedded.Server(store)
    server.start()
    with Holder(store.directory) as command:
        command.wait_in()
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before >= 0.2
        assert not runs(store)


def test_ctrl_c_does_not_reach_the_server(store: EmbeddedStore) -> None:
    server = embedded.Server(store)
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid != os.getsid(0)
    server.stop()


# What survives which end


@pytest.mark.parametrize("gateway", [False, True])
def test_an_orphan_is_used_by_a_command_and_ended_by_the_last_one(store: EmbeddedStore, gateway: bool) -> None:
    with Holder(store.directory, gateway) as killed:
        killed.wait_in()
        orphan = pid_of(store)
        put(Endpoint(path=str(Files(store.directory).socket())), "a", "1")
        killed.kill()
    assert runs(store)
    with embedded.attach_or_start(store) as endpoint:
        assert pid_of(store) == orphan
        assert get(endpoint, "a") == b"1"
    assert not runs(store)


def test_an_orphan_is_ended_by_the_next_gateway(store: EmbeddedStore) -> None:
    with Holder(store.directory, gateway=True) as killed:
        orphan = int(killed.wait_in())
        put(Endpoint(path=str(Files(store.directory).socket())), "a", "1")
        killed.kill()
    server = embedded.Server(store)
    server.start()
    assert server.pid != orphan
    assert pid_of(store) == server.pid
    assert get(server.admin, "a") == b"1"
    server.stop()


def test_an_orphan_that_hangs_is_ended_the_hard_way(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_process, "_END_TIMEOUT_S", 0.2)
    with Holder(store.directory, gateway=True) as killed:
        orphan = int(killed.wait_in())
        put(Endpoint(path=str(Files(store.directory).socket())), "a", "1")
        os.kill(orphan, signal.SIGSTOP)
        killed.kill()
    server = embedded.Server(store)
    server.start()
    assert server.pid != orphan
    assert get(server.admin, "a") == b"1"
    server.stop()


def test_data_survive_a_kill_of_everything(store: EmbeddedStore) -> None:
    with Holder(store.directory, gateway=True) as gateway:
        server_pid = int(gateway.wait_in())
        path = str(Files(store.directory).socket())
        with redis.Redis(unix_socket_path=path) as client:
            for number in range(500):
                client.set(f"k{number}", number)
        os.kill(server_pid, signal.SIGKILL)
        gateway.kill()
    with embedded.attach_or_start(store) as endpoint, redis.Redis(unix_socket_path=endpoint.path) as client:
        assert client.dbsize() == 500


def test_a_server_that_dies_is_noticed_and_started_again(store: EmbeddedStore) -> None:
    server = embedded.Server(store)
    server.start()
    put(server.admin, "a", "1")
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with FileLock(Files(store.directory).running) as running:
        assert running.wait_exclusive(5)
    while server.alive():
        pass
    server.restart()
    assert server.alive()
    assert server.pid != first
    assert get(server.admin, "a") == b"1"
    server.stop()


@pytest.mark.parametrize(
    ("end", "boot", "kept"),
    [
        ("kill", "same", True),
        ("kill", "other", False),
        ("clean", "other", True),
    ],
)
def test_r13_the_replay_window_is_lost_only_when_the_machine_went_down_under_it(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, end: str, boot: str, kept: bool
) -> None:
    server = embedded.Server(store)
    server.start()
    put(server.admin, keys.EPOCH.decode(), "123")
    if end == "kill":
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        while server.alive():
            pass
    server.stop()
    if boot == "other":
        monkeypatch.setattr(embedded_process, "_boot", lambda: "another")
    with embedded.attach_or_start(store) as endpoint:
        assert (get(endpoint, keys.EPOCH.decode()) == b"123") is kept


@pytest.fixture
def onboarding_client(store: EmbeddedStore) -> Iterator["redis.Redis"]:
    server = embedded.Server(store)
    server.start()
    put(server.admin, "wfmgw:pin:default:00", "{}")
    put(server.admin, "other", "x")
    endpoint = server.onboarding
    with redis.Redis(
        unix_socket_path=endpoint.path, username=endpoint.user, password=endpoint.password, protocol=2
    ) as client:
        yield client
    server.stop()


def test_r27_onboarding_writes_records_index_and_notices(onboarding_client: "redis.Redis") -> None:
    client = onboarding_client
    assert client.set("wfmgw:spki:default:00", "lease:1", nx=True, px=10_000)
    script = "redis.call('SET', KEYS[1], 'dev1') redis.call('SET', KEYS[2], '{}') redis.call('XADD', KEYS[3], '*', 'a', 'b') return 1"
    assert client.eval(script, 3, "wfmgw:spki:default:00", "wfmgw:client:default:dev1", keys.CHANGES) == 1
    assert client.get("wfmgw:client:default:dev1") == b"{}"
    assert client.execute_command("INCR", "wfmgw:tofu:default") == 1  # redis-py's incr is INCRBY
    assert client.waitaof(1, 0, 4000)[0] == 1


@pytest.mark.parametrize(
    "command",
    [
        "GET other",
        "SET other x",
        "GET wfmgw:seen:epoch",
        "SET wfmgw:seen:x 1",
        "DEL wfmgw:seen:epoch",
        "SET wfmgw:pin:default:01 x",
        "DEL wfmgw:pin:default:00",
        "XRANGE wfmgw:changes - +",
        "EVAL return(redis.call('SET',KEYS[1],1)) 1 wfmgw:seen:x",
        "EVAL return(redis.call('KEYS','*')) 0",
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "SHUTDOWN",
        "CONFIG GET *",
        "ACL LIST",
    ],
)
def test_r27_onboarding_can_do_nothing_else(onboarding_client: "redis.Redis", command: str) -> None:
    with pytest.raises(redis.exceptions.ResponseError) as refused:  # inside of a script it is one in general
        onboarding_client.execute_command(*command.split())
    said = str(refused.value).lower()
    assert "permission" in said or "can't run this command" in said
