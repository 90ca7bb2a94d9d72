"""Settings of the ways in: PROXY protocol, own TLS listener, questions of other proxies."""

from pathlib import Path

import pytest

from gateway.config import load, warnings
from gateway.proxy.tls_identity import check_identity
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import write

PUBLIC = 'public_url = "https://wfm.example.com"\n'


@pytest.mark.parametrize(
    ("sections", "reason", "says"),
    [
        ({"listen": PUBLIC + 'proxy_protocol = ["10.0.0.1/8"]'}, Reason.CONFIG_INVALID, "listen.proxy_protocol: got"),
        ({"listen": PUBLIC + 'proxy_protocol = ["unix"]'}, Reason.CONFIG_INVALID, "unix listen.address"),
        ({"listen": PUBLIC + 'proxy_protocol = ["0.0.0.0/0"]'}, Reason.CONFIG_UNSAFE, "trust_everyone"),
        ({"listen": PUBLIC + 'proxy_protocol = ["0.0.0.0/1", "128.0.0.0/1"]'}, Reason.CONFIG_UNSAFE, "trust_everyone"),
        ({"listen": PUBLIC + 'tls_cert = "present.pem"'}, Reason.CONFIG_INVALID, "listen.tls_key: missing"),
        ({"listen": PUBLIC + 'tls_key = "present.pem"'}, Reason.CONFIG_INVALID, "listen.tls_cert: missing"),
        (
            {"listen": PUBLIC + 'tls_cert = "absent.pem"\ntls_key = "present.pem"'},
            Reason.CONFIG_UNREADABLE,
            "listen.tls_cert: cannot read",
        ),
        ({"listen": PUBLIC, "verify": 'path = "/_verify"'}, Reason.CONFIG_INVALID, "trusted_proxies is empty"),
        ({"verify": 'path = "/_verify/"'}, Reason.CONFIG_INVALID, "verify.path: got"),
        ({"verify": 'path = "/a/../b"'}, Reason.CONFIG_INVALID, "verify.path: got"),
        ({"verify": 'path = "verify"'}, Reason.CONFIG_INVALID, "verify.path: got"),
        ({"verify": 'pth = "/_verify"'}, Reason.CONFIG_INVALID, "did you mean verify.path"),
    ],
)
def test_what_is_refused(sections: dict[str, str], reason: Reason, says: str, tmp_path: Path) -> None:
    (tmp_path / "present.pem").write_text("x")
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, **sections))
    assert caught.value.reason is reason
    assert says in caught.value.message


def test_files_that_are_no_certificate_are_found_before_a_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "present.pem").write_text("x")
    config = load(write(tmp_path, listen='tls_cert = "present.pem"\ntls_key = "present.pem"'))
    with pytest.raises(ConfigError, match="cannot be used for TLS") as caught:
        check_identity(config.listen)
    assert caught.value.reason is Reason.CONFIG_UNREADABLE


def test_what_is_unsafe_is_said(tmp_path: Path) -> None:
    listen = PUBLIC + 'trusted_proxies = ["127.0.0.1/32"]\nproxy_protocol = ["0.0.0.0/0"]'
    verify = 'path = "/_verify"\nallow_unchecked_body = true'
    said = warnings(load(write(tmp_path, listen=listen, verify=verify, unsafe="trust_everyone = true")))
    assert [sentence.partition(":")[0] for sentence in said] == ["unsafe.trust_everyone", "verify.allow_unchecked_body"]
