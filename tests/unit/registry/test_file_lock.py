"""Locks on files: exclusive, shared, with a note, and gone with their process."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.registry.file_lock import FileLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l") as first, FileLock(tmp_path / "l") as second:
        assert first.try_exclusive()
        assert first.held
        assert not second.try_exclusive()
        assert not second.try_shared()
        assert not second.wait_exclusive(0.03)
        first.release()
        assert second.wait_exclusive(0)


def test_sharers_keep_a_lone_holder_out(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l") as first, FileLock(tmp_path / "l") as second, FileLock(tmp_path / "l") as third:
        assert first.try_shared()
        assert second.try_shared()
        first.release()
        assert not third.try_exclusive()
        second.release()
        assert third.try_exclusive()


def test_a_note_is_read_by_others(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l") as lock:
        assert lock.read() == ""
        assert lock.try_exclusive()
        lock.write("a longer note")
        lock.write("123")
        assert FileLock(tmp_path / "l").read() == "123"
    assert (tmp_path / "l").stat().st_mode & 0o777 == 0o600


def test_taking_it_twice_is_a_defect(tmp_path: Path) -> None:
    with FileLock(tmp_path / "l") as lock:
        assert lock.try_exclusive()
        with pytest.raises(RuntimeError, match="held already"):
            lock.try_exclusive()


def test_r27_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(tmp_path / "l").try_exclusive()
    assert not (tmp_path / "elsewhere").exists()


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from gateway.registry.file_lock import FileLock
lock = FileLock(Path({str(tmp_path / "l")!r}))
print(lock.try_exclusive(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with FileLock(tmp_path / "l") as lock:
            assert not lock.try_exclusive()
            other.kill()
            assert lock.wait_exclusive(5)
