"""Rotation by devices is off unless told, and means nothing where nobody is trusted (R19, R23)."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.profiles import routes
from gateway.reasons import ConfigError
from tests.unit.config.documents import write

ON = 'rotation = true\ntrust = ["pinned"]\n'


def test_r23_it_is_off_unless_told(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    assert (config.onboarding.rotation, config.records) == (False, False)
    assert "client-certificate" not in [row.name for row in routes(config)]


def test_r23_it_needs_no_onboarding(tmp_path: Path) -> None:
    config = load(write(tmp_path, onboarding=ON))
    assert (config.onboarding.mode, config.onboarding.rotation_overlap_s, config.records) == ("off", 604_800, True)
    (row,) = [row for row in routes(config) if row.name == "client-certificate"]
    assert (row.path, row.methods, row.access) == ("/api/v1/clients/{clientId}/certificate", ("POST",), "rotation")


@pytest.mark.parametrize(
    ("section", "rest", "sentence"),
    [
        ("rotation = true", {}, "onboarding.rotation: true, but onboarding.trust is empty"),
        (ON + "rotation_overlap_s = -1", {}, "onboarding.rotation_overlap_s: got -1, wanted whole seconds from 0"),
        (
            ON,
            {"policy": 'profile = "generic"', "route": '[[route]]\npath = "/{clientId}"\n'},
            'onboarding.rotation: profile "generic" has no route for it',
        ),
    ],
)
def test_mistakes_are_said_in_one_sentence(tmp_path: Path, section: str, rest: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, onboarding=section, **rest))
    assert sentence in caught.value.message


def test_r27_an_origin_needs_the_right_to_record(tmp_path: Path) -> None:
    assert load(write(tmp_path, registry='origin = "http://127.0.0.1/{clientId}"')).records
