"""Section `[admin]`: off by default, a token that others cannot read, and which hosts may be named (R29)."""

from pathlib import Path

import pytest

from gateway.config import load, warnings
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").touch(0o600)
    return tmp_path


def test_off_by_default(folder: Path) -> None:
    config = load(write(folder))
    assert config.admin.bind is None
    assert not config.admin.remote


@pytest.mark.parametrize(
    ("section", "hosts"),
    [
        ('address = "127.0.0.1:9900"', {"127.0.0.1", "localhost"}),
        ('address = "[::1]:9900"', {"[::1]", "localhost"}),
        ('address = "unix:admin"', {"localhost"}),
        ('address = "127.0.0.1:9900"\nallowed_hosts = ["GW.internal:9900"]', {"gw.internal:9900"}),
    ],
)
def test_r29_allowed_hosts(folder: Path, section: str, hosts: set[str]) -> None:
    config = load(write(folder, admin=f'{section}\ntoken_file = "token"'))
    assert config.admin.hosts == hosts
    assert config.admin.token_file == str(folder / "token")


def test_r27_a_socket_is_beside_the_file(folder: Path) -> None:
    config = load(write(folder, admin='address = "unix:admin"\ntoken_file = "token"'))
    assert config.admin.address == f"unix:{folder}/admin"


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ('token_file = "token"', Reason.CONFIG_INVALID),
        ('allowed_hosts = ["a"]', Reason.CONFIG_INVALID),
        ('address = "127.0.0.1:9900"', Reason.CONFIG_INVALID),
        ('address = "9900"\ntoken_file = "token"', Reason.CONFIG_INVALID),
        ('address = "127.0.0.1:9900"\ntoken_file = "token"\nallowed_hosts = ["*"]\n', Reason.CONFIG_INVALID),
        ('address = "127.0.0.1:9900"\ntoken_file = "token"\nallowed_hosts = ["http://a"]', Reason.CONFIG_INVALID),
        ('address = "127.0.0.1:9900"\ntoken_file = "absent"', Reason.CONFIG_UNREADABLE),
        ('address = "0.0.0.0:9900"\ntoken_file = "token"', Reason.CONFIG_UNSAFE),
    ],
)
def test_mistakes(folder: Path, section: str, reason: Reason) -> None:
    with pytest.raises(ConfigError, match="admin") as caught:
        load(write(folder, admin=section))
    assert caught.value.reason is reason


def test_a_token_that_others_can_read(folder: Path) -> None:
    (folder / "token").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load(write(folder, admin='address = "127.0.0.1:9900"\ntoken_file = "token"'))
    assert caught.value.reason is Reason.CONFIG_UNSAFE


def test_other_machines_only_when_it_is_spelled_out(folder: Path) -> None:
    section = 'address = "10.0.0.1:9900"\ntoken_file = "token"'
    config = load(write(folder, admin=section, unsafe="plain_remote_admin = true"))
    assert any("plain_remote_admin" in warning for warning in warnings(config))
