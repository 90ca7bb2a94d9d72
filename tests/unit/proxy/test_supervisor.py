"""What must hold before a socket opens."""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config import from_flags
from gateway.model import Job
from gateway.proxy.supervisor import DESCRIPTORS_BESIDE, Supervisor, raise_descriptor_limit
from gateway.reasons import ConfigError, Reason


class Liar:
    """An engine that is broken in one direction."""

    name = "liar"

    def __init__(self, says: bool) -> None:
        self._says = says

    def holds(self, job: Job) -> bool:
        return self._says

    def verify(self, batch: Sequence[Job]) -> list[bool]:
        return [self._says] * len(batch)


@pytest.mark.parametrize("says", [True, False])
def test_failed_self_test_keeps_the_socket_closed(tmp_path: Path, says: bool) -> None:
    """`config.native_module`: a build that verifies wrongly must not be trusted with a request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        config = from_flags(
            "http://127.0.0.1:1", f"127.0.0.1:{port}", "https://wfm.example.com", f"embedded:{tmp_path}/store"
        )
        # The port is taken, so opening a socket would be another error.
        probe.listen()
        with pytest.raises(ConfigError) as error:
            asyncio.run(Supervisor(config, lambda line: None, Liar(says)).run(lambda: None))
    assert error.value.reason is Reason.CONFIG_NATIVE
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("before_the_start", [True, False])
def test_worker_that_the_system_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before_the_start: bool
) -> None:
    """Once requests are served it is tried again: else the socket stays open with nobody behind it (R28)."""
    config = from_flags("http://127.0.0.1:1", "127.0.0.1:1", "https://wfm.example.com", f"embedded:{tmp_path}/store")
    said: list[str] = []
    supervisor = Supervisor(config, said.append, Liar(says=True))
    attempts = 0

    async def fail(listen_fd: int, settings: bytes) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            supervisor._signalled()
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "_spawn", fail)

    async def keep() -> None:
        ready = asyncio.get_running_loop().create_future()
        if not before_the_start:
            ready.set_result(None)
        await asyncio.wait_for(supervisor._keep(0, 3, b"", ready), 5)
        await ready

    if before_the_start:
        with pytest.raises(ConfigError, match=r"a worker could not start .*Resource temporarily unavailable"):
            asyncio.run(keep())
        assert attempts == 1
    else:
        asyncio.run(keep())
        assert attempts == 3
        assert said == ["worker 0 could not be started: Resource temporarily unavailable; trying again"] * 3


def test_r5_a_low_limit_of_open_files_is_raised_or_told(tmp_path: Path) -> None:
    config = from_flags("http://127.0.0.1:1", None, "https://wfm.example.com", f"embedded:{tmp_path}/store")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    said: list[str] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[0]), before[1]))
        raise_descriptor_limit(config, said.append)
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    needed = config.limits.connections + config.upstream.connections + DESCRIPTORS_BESIDE
    assert raised > 256
    assert (said == []) == (raised >= needed)
    huge = msgspec.structs.replace(config, limits=msgspec.structs.replace(config.limits, connections=10_000_000))
    raise_descriptor_limit(huge, said.append)
    assert "limits.connections" in said[-1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
