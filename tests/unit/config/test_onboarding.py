"""Section `[onboarding]`: safe by default, its mistakes in one sentence, its unsafe choices named (R19)."""

from pathlib import Path

import msgspec
import pytest

from gateway.config import Authority, load, warnings
from gateway.config.render import effective
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write

CA = '\n[[onboarding.ca]]\nfile = "ca.pem"\n'
FULL = 'mode = "proxy"\nroot_ca = "ca.pem"\ntrust = ["pinned", "ca"]' + CA + 'tenant = "plant-7"\ncrl = "vendor.crl"\n'


def folder(tmp_path: Path) -> Path:
    for name in ("ca.pem", "vendor.crl"):
        (tmp_path / name).write_text("x")
    return tmp_path


def test_r19_the_default_is_off_and_trusts_nobody(tmp_path: Path) -> None:
    section = load(write(tmp_path)).onboarding
    assert (section.mode, section.trust, section.ca, section.records) == ("off", (), (), False)


def test_files_resolve_against_the_configuration(tmp_path: Path) -> None:
    section = load(write(folder(tmp_path), onboarding=FULL)).onboarding
    assert section.root_ca == str(tmp_path / "ca.pem")
    assert section.ca == (Authority(file=str(tmp_path / "ca.pem"), tenant="plant-7", crl=str(tmp_path / "vendor.crl")),)
    assert section.records


def test_a_crl_may_be_fetched(tmp_path: Path) -> None:
    crl = 'crl = "https://pki.example.com/vendor.crl"'
    section = load(write(folder(tmp_path), onboarding='trust = ["ca"]' + CA + crl)).onboarding
    assert section.ca[0].crl == "https://pki.example.com/vendor.crl"
    assert section.ca[0].crl_is_url


def test_what_is_printed_means_the_same(tmp_path: Path) -> None:
    config = load(write(folder(tmp_path), onboarding=FULL))
    (tmp_path / "printed.toml").write_text(effective(config))
    again = load(tmp_path / "printed.toml")
    assert msgspec.structs.replace(again, source=config.source) == config


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('mode = "on"', 'onboarding.mode: got "on", wanted one of "proxy", "local", "passthrough", "off"'),
        ('trust = ["all"]', 'onboarding.trust: got ["all"], wanted a list of "pinned", "ca", "tofu" and "approval"'),
        ('trust = ["tofu", "tofu"]', 'onboarding.trust: "tofu" stands twice'),
        (
            'trust = ["tofu", "approval"]',
            'onboarding.trust: "tofu" accepts whom "approval" would hold back; one of them must go',
        ),
        (
            'mode = "passthrough"\ntrust = ["approval"]',
            'onboarding.trust: "approval" must be recorded, and mode "passthrough" records nothing',
        ),
        ('trust = ["ca"]', 'onboarding.trust: has "ca", but there is no [[onboarding.ca]] with a file'),
        ("ca = 3", "onboarding.ca: got 3, wanted tables, each written [[onboarding.ca]]"),
        ("tofu_limit = 3", "onboarding.tofu_limit: unknown key; did you mean onboarding.tofu_clients?"),
        ("tofu_clients = 0", "onboarding.tofu_clients: got 0, wanted a whole number from 1 to 10000000"),
        ("[[onboarding.ca]]\ntenant = 'x'", "onboarding.ca[0].file: missing, wanted the name of a file"),
        (CA, 'onboarding.ca[0]: means nothing without "ca" in onboarding.trust or a crl'),
        (CA + 'fil = "x"', "onboarding.ca[0].fil: unknown key; did you mean onboarding.ca[0].file?"),
        (
            'trust = ["ca"]' + CA + 'tenant = "a:b"',
            'onboarding.ca[0].tenant: got "a:b", wanted 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -',
        ),
        (
            'trust = ["ca"]' + CA + 'crl = "ldap://x/y"',
            'onboarding.ca[0].crl: got "ldap://x/y", wanted an http or https URL, or the name of a file',
        ),
        (
            'trust = ["ca"]' + CA + 'crl = "https://u:p@x/y"',
            'onboarding.ca[0].crl: got "https://u:p@x/y", wanted an http or https URL, or the name of a file',
        ),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(folder(tmp_path), onboarding=text))
    assert raised.value.reason is Reason.CONFIG_INVALID
    assert raised.value.message == f"{tmp_path}/gateway.toml: {sentence}"


@pytest.mark.parametrize("text", ['root_ca = "gone.pem"', 'trust = ["ca"]\n[[onboarding.ca]]\nfile = "gone.pem"'])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(folder(tmp_path), onboarding=text))
    assert raised.value.reason is Reason.CONFIG_UNREADABLE
    assert f"cannot read {tmp_path}/gone.pem" in raised.value.message


def test_profile_generic_has_no_onboarding(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(
            write(
                tmp_path,
                policy='profile = "generic"',
                onboarding='mode = "local"',
                route='[[route]]\npath = "/d/{clientId}"',
            )
        )
    assert 'onboarding.mode: profile "generic" has no onboarding route' in raised.value.message


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (FULL, []),
        ('mode = "local"\ntrust = ["tofu"]', ["onboarding.trust"]),
        ('mode = "passthrough"', ["onboarding.mode"]),
        ('mode = "passthrough"\ntrust = ["pinned"]', []),
        ('mode = "proxy"\nstale_crl = "accept"\ntrust = ["ca"]' + CA + 'crl = "vendor.crl"', ["onboarding.stale_crl"]),
        ('trust = ["tofu"]', []),
    ],
)
def test_r19_unsafe_choices_are_named(tmp_path: Path, text: str, keys: list[str]) -> None:
    found = warnings(load(write(folder(tmp_path), onboarding=text)))
    assert [sentence.split(":")[0] for sentence in found] == keys


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'url = "redis://localhost"\nonboarding_user = "recorder"',
            "store.onboarding_password_file: missing: onboarding_user and onboarding_password_file go together",
        ),
        (
            'url = "redis://localhost"\nonboarding_password_file = "ca.pem"',
            "store.onboarding_user: missing: onboarding_user and onboarding_password_file go together",
        ),
        (
            'onboarding_user = "recorder"\nonboarding_password_file = "ca.pem"',
            "store.onboarding_user: means nothing with the embedded store, which has its own users",
        ),
    ],
)
def test_r27_the_user_that_records_devices_has_a_password(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(folder(tmp_path), store=text))
    assert raised.value.message == f"{tmp_path}/gateway.toml: {sentence}"
