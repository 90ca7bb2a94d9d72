"""The effective configuration in print: complete, loadable again, without secrets."""

from pathlib import Path

import msgspec
import pytest

from gateway.config import load
from gateway.config.render import effective, without_secrets
from tests.unit.config.documents import write
from tests.unit.config.test_load import FULL


@pytest.mark.parametrize("sections", [{}, {**FULL, "store": 'url = "unix:///x"'}], ids=["small", "full"])
def test_what_is_printed_is_a_configuration_file_that_means_the_same(tmp_path: Path, sections: dict[str, str]) -> None:
    for name in ("ca.pem", "c.pem", "k.pem"):
        (tmp_path / name).write_text("x")
    (tmp_path / "token").touch(0o600)
    config = load(write(tmp_path, **sections))
    (tmp_path / "printed.toml").write_text(effective(config))
    again = load(tmp_path / "printed.toml")
    assert msgspec.structs.replace(again, source=config.source) == config


def test_defaults_are_marked_and_nothing_else(tmp_path: Path) -> None:
    lines = effective(load(write(tmp_path, policy="max_age_s = 60"))).splitlines()
    assert "max_age_s = 60" in lines
    assert "clock_skew_s = 30  # default" in lines
    assert f'url = "embedded:{tmp_path}/data"  # default' in lines
    assert 'url = "http://127.0.0.1:9000"' in lines
    assert "# max_window_s: as max_age_s, 60" in lines
    assert f"# data_dir: {tmp_path}/data" in lines


def test_passwords_are_not_printed(tmp_path: Path) -> None:
    store = 'url = "redis://gate:hunter2@127.0.0.1:6379"\nadmin_url = "redis://:hunter2@127.0.0.1"'
    config = load(write(tmp_path, store=store))
    assert "hunter2" not in effective(config)
    assert 'url = "redis://gate:***@127.0.0.1:6379"' in effective(config)
    assert b"hunter2" not in msgspec.json.encode(without_secrets(config))
    assert config.store.url == "redis://gate:hunter2@127.0.0.1:6379"
