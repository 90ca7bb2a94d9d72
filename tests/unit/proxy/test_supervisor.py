"""What must hold before a socket opens."""

import asyncio
import resource
import socket
from collections.abc import Sequence
from pathlib import Path

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
