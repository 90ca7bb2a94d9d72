"""What a valid configuration opens is said, one sentence each."""

from pathlib import Path

import pytest

from gateway.config import load, warnings
from tests.unit.config.documents import write

GENERIC = 'profile = "generic"\n'
ROUTE = '[[route]]\npath = "/d/{clientId}"\n'


def test_a_safe_configuration_has_none(tmp_path: Path) -> None:
    assert warnings(load(write(tmp_path))) == []


@pytest.mark.parametrize(
    "sections",
    [
        {"listen": 'public_url = "http://127.0.0.1:8080"'},
        {"store": 'url = "redis://localhost"'},
        {"store": 'url = "rediss://store.example"'},
        {"upstream": 'url = "https://wfm.example"'},
        {"upstream": 'url = "unix:/run/wfm"'},
        {"upstream": 'url = "http://[::1]:80"'},
        {"policy": 'required_components = ["@method", "@authority", "@request-target"]'},
    ],
)
def test_what_stays_on_this_machine_or_is_bound_otherwise_is_not_unsafe(
    tmp_path: Path, sections: dict[str, str]
) -> None:
    assert warnings(load(write(tmp_path, **sections))) == []


@pytest.mark.parametrize(
    ("sections", "keys"),
    [
        ({"listen": 'trusted_proxies = ["0.0.0.0/0"]', "unsafe": "trust_everyone = true"}, ["unsafe.trust_everyone"]),
        ({"listen": 'public_url = "http://wfm.example"'}, ["listen.public_url"]),
        ({"policy": 'mode = "observe"'}, ["policy.mode"]),
        ({"policy": 'modes = {bundle = "observe", status = "off"}'}, ["policy.modes.bundle"]),
        (
            {"policy": 'modes = {bundle = "passthrough"}', "unsafe": "passthrough = true"},
            ["policy.modes.bundle"],
        ),
        ({"policy": GENERIC, "route": ROUTE + 'mode = "observe"'}, ["route[0].mode"]),
        ({"upstream": 'url = "http://10.0.0.2:9000"'}, ["upstream.url"]),
        ({"store": 'url = "redis://10.0.0.3"', "unsafe": "plain_remote_store = true"}, ["unsafe.plain_remote_store"]),
        ({"policy": 'replay = "off"'}, ["policy.replay"]),
        ({"policy": 'lost_memory = "accept"'}, ["policy.lost_memory"]),
        ({"policy": "require_covered_digest = false"}, ["policy.require_covered_digest"]),
        ({"policy": 'required_components = ["@target-uri"]'}, ["policy.required_components"]),
        ({"policy": 'required_components = ["@method", "@path"]'}, ["policy.required_components"]),
        ({"policy": 'required_components = ["date"]'}, ["policy.required_components"] * 2),
        ({"policy": GENERIC + 'keyid = "client-id"', "route": ROUTE}, ["policy.keyid"]),
        ({"policy": GENERIC, "route": ROUTE + 'relax = ["percent"]'}, ["route[0].relax"]),
        ({"policy": GENERIC, "route": ROUTE + "require_covered_digest = false"}, ["route[0].require_covered_digest"]),
    ],
)
def test_unsafe_setting_is_named(tmp_path: Path, sections: dict[str, str], keys: list[str]) -> None:
    assert [sentence.split(":")[0] for sentence in warnings(load(write(tmp_path, **sections)))] == keys
