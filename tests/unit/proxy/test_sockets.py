"""The listening sockets (R28)."""

import socket
from pathlib import Path

import pytest

from gateway.config import Address
from gateway.proxy import sockets
from gateway.reasons import ConfigError, Reason


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_one_socket_per_worker_on_one_port() -> None:
    address = Address("127.0.0.1", free_port())
    opened = sockets.listen(address, 3)
    try:
        assert len(opened) == 3
        assert {one.getsockname() for one in opened} == {("127.0.0.1", address.port)}
        with socket.create_connection(("127.0.0.1", address.port)):
            pass
    finally:
        sockets.close(opened, address.path)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port))


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_hosts(host: str) -> None:
    address = Address(host, free_port())
    opened = sockets.listen(address, 2)
    sockets.close(opened, address.path)
    assert len(opened) == 2


def test_port_that_another_has_is_one_sentence() -> None:
    """Also where the other one would share it."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = Address("127.0.0.1", other.getsockname()[1])
        with pytest.raises(ConfigError) as error:
            sockets.listen(address, 2)
    assert error.value.reason is Reason.CONFIG_LISTEN
    assert error.value.message == f"cannot listen on 127.0.0.1:{address.port}: address already in use"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(ConfigError) as error:
        sockets.listen(Address(host, 8080), 1)
    assert error.value.reason is Reason.CONFIG_LISTEN


def test_unix_socket_is_one_for_all_and_its_name_goes_with_it(tmp_path: Path) -> None:
    address = Address("", 0, str(tmp_path / "s"))
    opened = sockets.listen(address, 2)
    assert opened[0] is opened[1]
    with pytest.raises(ConfigError):
        sockets.listen(address, 1)
    opened[0].close()
    # A name that nobody listens behind is an orphan.
    opened = sockets.listen(address, 1)
    sockets.close(opened, address.path)
    assert not (tmp_path / "s").exists()


def test_file_in_the_way_of_a_unix_socket_stays(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    with pytest.raises(ConfigError):
        sockets.listen(Address("", 0, str(tmp_path / "s")), 1)
    assert (tmp_path / "s").read_text() == "mine"
