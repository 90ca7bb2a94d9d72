"""From the configuration's [store] to what request path and commands connect to."""

from pathlib import Path

import pytest

from gateway.config.store import Store as StoreSection
from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import EmbeddedStore, Endpoint
from gateway.registry.targets import admin_target, recording_target, request_target


def test_the_embedded_store_is_the_same_for_both() -> None:
    section = StoreSection(url="embedded:/srv/data")
    assert request_target(section) == admin_target(section) == EmbeddedStore(Path("/srv/data"))


def test_user_and_password_file_are_the_request_paths(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("sesame\n")
    section = StoreSection(url="redis://h", user="gate", password_file=str(tmp_path / "password"))
    assert request_target(section) == Endpoint(host="h", user="gate", password="sesame")
    assert admin_target(section) == request_target(section)


def test_r27_commands_have_their_own_url_and_credentials(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("sesame")
    section = StoreSection(
        url="rediss://h",
        admin_url="rediss://root:pw@h:7",
        user="gate",
        password_file=str(tmp_path / "password"),
        ca="/ca.pem",
        client_cert="/c.pem",
        client_key="/k.pem",
    )
    files = {"ca": Path("/ca.pem"), "client_cert": Path("/c.pem"), "client_key": Path("/k.pem")}
    assert admin_target(section) == Endpoint(host="h", port=7, tls=True, user="root", password="pw", **files)
    assert request_target(section) == Endpoint(host="h", tls=True, user="gate", password="sesame", **files)


def test_a_password_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store\.password_file") as caught:
        request_target(StoreSection(url="redis://h", password_file=str(tmp_path / "nothing")))
    assert caught.value.reason is Reason.CONFIG_UNREADABLE


def test_r27_whoever_records_devices_may_be_another_user(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("sesame\n")
    target = Endpoint(host="h", user="gate", password="x")
    assert recording_target(StoreSection(url="redis://h"), target) == target
    section = StoreSection(
        url="redis://h", onboarding_user="recorder", onboarding_password_file=str(tmp_path / "password")
    )
    assert recording_target(section, target) == Endpoint(host="h", user="recorder", password="sesame")
