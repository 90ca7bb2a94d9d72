"""Section `[observe]`: where the private listener is, and which hosts may be named (R29)."""

from pathlib import Path

import pytest

from gateway.config import Address, load
from gateway.config.observe import DEFAULT, Observe
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write


def test_on_this_machine_by_default(tmp_path: Path) -> None:
    section = load(write(tmp_path)).observe
    assert section.address is None
    assert section.bind == Address("127.0.0.1", int(DEFAULT.rpartition(":")[2]))


def test_off_where_that_is_wanted(tmp_path: Path) -> None:
    assert load(write(tmp_path, observe='address = "off"')).observe.bind is None


def test_r27_a_socket_is_beside_the_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, observe='address = "unix:observe"')).observe.address == f"unix:{tmp_path}/observe"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:9909", True),
        ("[::1]", True),
        ("10.0.0.7:9909", True),
        ("LOCALHOST", True),
        ("gw.internal", True),
        ("GW.internal:1234", True),
        ("other.internal:9909", True),
        ("other.internal:1", False),
        ("other.internal", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example:127", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("a b", False),
        ("user@localhost", False),
    ],
)
def test_r29_a_page_of_somebody_else_has_no_name_for_us(host: str, ours: bool) -> None:
    section = Observe(allowed_hosts=("gw.internal", "other.internal:9909"))
    assert section.is_ours(host) is ours


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        *((address, False) for address in ("127.0.0.1:1", "[::1]:1", "localhost:1", "unix:x", "off")),
        *((address, True) for address in ("0.0.0.0:1", "10.0.0.7:1", "[::]:1")),
    ],
)
def test_r29_others_can_connect_only_where_the_address_says_so(tmp_path: Path, address: str, remote: bool) -> None:
    assert load(write(tmp_path, observe=f'address = "{address}"')).observe.remote is remote


def test_r29_a_token_that_others_can_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    file = write(tmp_path, observe='token_file = "token"')
    assert load(file).observe.token_file == str(tmp_path / "token")
    (tmp_path / "token").chmod(0o640)
    with pytest.raises(ConfigError, match=r"observe\.token_file: others may read") as caught:
        load(file)
    assert caught.value.reason is Reason.CONFIG_UNSAFE


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ('address = "9909"', 'observe.address: got "9909"'),
        ('allowed_hosts = ["http://x"]', 'observe.allowed_hosts: got "http://x"'),
        ('address = "off"\nallowed_hosts = ["x"]', "means nothing"),
        ('adress = "off"', "address"),
        ('token_file = "absent"', "observe.token_file: cannot read"),
        ('address = "off"\ntoken_file = "x"', "means nothing"),
    ],
)
def test_mistakes(tmp_path: Path, section: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(write(tmp_path, observe=section))
