"""Which server binary the embedded store runs, and what is said of one that cannot be run."""

import platform
import shutil
from pathlib import Path

import pytest

from gateway.reasons import ConfigError
from gateway.registry import embedded, embedded_process
from gateway.registry.embedded_files import Files
from gateway.registry.embedded_process import bundled_binary, choose_binary
from gateway.registry.store_url import EmbeddedStore


def script(path: Path, says: str, status: int = 0) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def use(store: EmbeddedStore) -> None:
    with embedded.attach_or_start(store):
        pass


def test_the_bundled_server_is_used_and_recorded_without_its_path(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    use(store)
    written = Files(store.directory).read_written()
    assert written is not None
    assert (written.product, written.path) == ("valkey", "")
    assert choose_binary(store, Files(store.directory))[0] == bundled_binary()


def test_another_server_is_used_only_when_named_and_then_remembered(tmp_path: Path) -> None:
    other = shutil.copy(bundled_binary(), tmp_path / "other")
    store = EmbeddedStore(tmp_path / "store")
    use(EmbeddedStore(store.directory, server=other))
    assert choose_binary(store, Files(store.directory))[0] == other
    use(store)
    back = EmbeddedStore(store.directory, server=bundled_binary())
    use(back)
    assert choose_binary(store, Files(store.directory))[0] == bundled_binary()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("Valkey server v=8.1.3 sha=0", "cannot read the files .* which valkey 9.9.9 wrote"),
        ("Redis server v=8.0.0 sha=0", "cannot read the files .* which valkey 9.9.9 wrote"),
        ("Valkey server v=7.0.15 sha=0", "7.2 or later"),
        ("GNU bash, version 5", "is not a Valkey or Redis server"),
    ],
)
def test_a_server_that_cannot_read_the_files_is_refused_before_it_starts(tmp_path: Path, says: str, why: str) -> None:
    store = EmbeddedStore(tmp_path / "store")
    use(store)
    files = Files(store.directory)
    (store.directory / "server").write_text('{"product":"valkey","version":"9.9.9"}')
    with pytest.raises(ConfigError, match=why):
        choose_binary(EmbeddedStore(store.directory, script(tmp_path / "other", says)), files)


@pytest.mark.parametrize(
    ("wrote", "says"),
    [
        ("valkey 9.1.2", "Valkey server v=9.1.2"),
        ("valkey 9.1.2", "Valkey server v=10.0.0"),
        ("redis 7.2.4", "Valkey server v=9.1.2"),
    ],
)
def test_a_server_that_can_read_the_files_is_taken(tmp_path: Path, wrote: str, says: str) -> None:
    files = Files(tmp_path)
    product, version = wrote.split()
    (tmp_path / "server").write_text(f'{{"product":"{product}","version":"{version}"}}')
    other = script(tmp_path / "other", says)
    assert choose_binary(EmbeddedStore(tmp_path, other), files)[0] == other


def test_what_is_not_a_program_is_one_sentence(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    with pytest.raises(ConfigError, match="no such file"):
        use(EmbeddedStore(store.directory, server=tmp_path / "nothing"))
    (tmp_path / "plain").write_text("x")
    with pytest.raises(ConfigError, match="does not run: Permission denied"):
        use(EmbeddedStore(store.directory, server=tmp_path / "plain"))
    with pytest.raises(ConfigError, match="does not tell its version"):
        use(EmbeddedStore(store.directory, server=script(tmp_path / "failing", "", 1)))


def test_a_binary_for_another_c_library_is_one_sentence(tmp_path: Path) -> None:
    # The same error as a glibc binary gives on musl: the file is there, what shall load it is not.
    other = tmp_path / "musl"
    other.write_text("#!/no/such/loader\n")
    other.chmod(0o755)
    with pytest.raises(ConfigError, match="built for another C library"):
        use(EmbeddedStore(tmp_path / "store", server=other))


def test_a_platform_without_a_bundled_server_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ConfigError, match=r"no server for \w+ on riscv64"):
        use(EmbeddedStore(tmp_path / "store"))


def test_a_server_that_dies_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    use(store)
    (manifest,) = (store.directory / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(ConfigError, match=r"ended at its start; its log .*valkey.log ends: .*manifest"):
        use(store)
    assert not embedded_process.runs(Files(store.directory))


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    use(store)
    (store.directory / "valkey.log").write_bytes(b"x" * (1 << 20) + b"x")
    use(store)
    assert (store.directory / "valkey.log").stat().st_size < 100_000
    assert (store.directory / "valkey.log.1").stat().st_size == (1 << 20) + 1
