"""Section `[registry]`: where unknown ids may be asked for, and where not (R3, R23)."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write

GENERIC = {
    "policy": 'profile = "generic"',
    "route": '[[route]]\npath = "/a/{clientId}"\nrealm = "a"\n[[route]]\npath = "/b/{clientId}"\nrealm = "b"\n',
}


def test_r23_nobody_is_asked_unless_told(tmp_path: Path) -> None:
    section = load(write(tmp_path)).registry
    assert section.origin_url is None
    assert (section.origin_timeout_s, section.origin_concurrency, section.origin_per_second) == (2.0, 16, 50)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://wfm.example.com/c/{clientId}", "https://wfm.example.com/c/dev=1"),
        ("https://wfm.example.com:8443/{realm}/c?id={clientId}&x=1", "https://wfm.example.com:8443/r1/c?id=dev=1&x=1"),
        ("http://127.0.0.1:9000/c/{clientId}/certificate", "http://127.0.0.1:9000/c/dev=1/certificate"),
        ("http://localhost/c/{clientId}", "http://localhost/c/dev=1"),
        ("http://[::1]:9000/{clientId}", "http://[::1]:9000/dev=1"),
        ("unix:/run/wfm.sock:/c/{clientId}", "http://backend/c/dev=1"),
        ("unix:///run/wfm.sock:/c/{clientId}", "http://backend/c/dev=1"),
    ],
)
def test_r23_the_origin_is_https_or_this_machine(tmp_path: Path, text: str, url: str) -> None:
    found = load(write(tmp_path, registry=f'origin = "{text}"')).registry.origin_url
    assert found is not None
    assert found.of("r1", "dev=1") == url
    assert found.socket == ("/run/wfm.sock" if text.startswith("unix:") else "")
    assert found.tls == text.startswith("https:")


@pytest.mark.parametrize("host", ["wfm.internal", "10.0.0.1", "127.0.0.1.example.com", "[::2]"])
def test_r23_plain_http_to_another_machine_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, registry=f'origin = "http://{host}/{{clientId}}"'))
    assert caught.value.reason is Reason.CONFIG_UNSAFE
    assert "use https://" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://wfm.example.com/certificate",
        "https://wfm.example.com/{clientId}/{clientId}",
        "https://wfm.example.com/{realm}/{realm}/{clientId}",
        "https://wfm.example.com/{clientId}/{other}",
        "https://{clientId}.example.com/",
        "https://user@wfm.example.com/{clientId}",
        "https://wfm.example.com/{clientId}#f",
        "https://wfm.example.com/a b/{clientId}",
        "https://wfm.example.com:70000/{clientId}",
        "https://[::1/{clientId}",
        "https:///{clientId}",
        "ftp://wfm.example.com/{clientId}",
        "/clients/{clientId}",
        "unix:/run/wfm.sock",
        "unix:run/wfm.sock:/{clientId}",
        "unix:/run/{clientId}.sock:/c",
    ],
)
def test_what_is_no_origin_is_said_in_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, registry=f'origin = "{text}"'))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "registry.origin: " in caught.value.message


def test_r3_several_realms_need_their_own_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, registry='origin = "https://w.example.com/{clientId}"', **GENERIC))
    assert "{realm}" in caught.value.message
    config = load(write(tmp_path, registry='origin = "https://w.example.com/{realm}/{clientId}"', **GENERIC))
    assert config.realms == {"a", "b"}


def test_its_authority_is_a_file_for_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    section = load(
        write(tmp_path, registry='origin = "https://w.example.com/{clientId}"\norigin_ca = "ca.pem"')
    ).registry
    assert section.origin_ca == str(tmp_path / "ca.pem")
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, registry='origin = "http://127.0.0.1/{clientId}"\norigin_ca = "ca.pem"'))
    assert caught.value.message.endswith('origin_ca: only means something with an "https://" registry.origin')
