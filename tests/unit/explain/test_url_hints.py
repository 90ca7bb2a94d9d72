"""What load balancers do to scheme, host, path and query: each change alone gets its hint, proven by trying."""

from typing import Any

import pytest

from gateway.config import Config
from gateway.model import Algorithm
from gateway.reasons import Reason
from tests.support.device import Device
from tests.support.drive import config_with
from tests.unit.explain.making import HOST, PATH, codes, explained, make

P256 = Device()
RSA = Device(algorithm=Algorithm.RSA_PSS_SHA512)
GENERIC = {
    "profile": "generic",
    "keyid": "client-id",
}


def generic() -> Config:
    from gateway.config import Route

    relax = ("encoded_slash", "semicolon", "percent", "empty_segment", "non_ascii")
    return config_with(routes=(Route(path="/**", client_id="keyid", relax=relax),), **GENERIC)


def uri(target: str, host: str = HOST, scheme: str = "https") -> dict[str, str]:
    path, mark, query = target.partition("?")
    return {
        "@target-uri": f"{scheme}://{host}{target}", "@authority": host, "@scheme": scheme, "@path": path,
        "@query": mark + query, "@request-target": target,
    }  # fmt: skip


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("host-changed", {"host": "10.0.0.7:8080", "signed": uri(PATH, "10.0.0.7:8080")}),
    ("host-changed", {"host": "10.0.0.7:8080", "signed": uri(PATH, "10.0.0.7")}),
    ("host-changed", {"fields": ["X-Forwarded-Host: wos.example.org"], "signed": uri(PATH, "wos.example.org")}),
    ("host-changed", {"fields": ["X-Forwarded-Host: wos.example.org"], "signed": uri(PATH, "wos.example.org:8443")}),
    ("host-changed", {"fields": ['Forwarded: for=1.2.3.4;host="wos.example.org"'], "signed": uri(PATH, "wos.example.org")}),
    ("host-changed", {"signed": uri(PATH, "named.example.net")}),
    ("authority-spelling", {"signed": uri(PATH, f"{HOST}:443")}),
    ("authority-spelling", {"signed": uri(PATH, "WFM.Example.com"), "fields": ["X-Forwarded-Host: WFM.Example.com"]}),
    ("host-changed", {"signed": uri(PATH, f"{HOST}:8443")}),
    ("host-changed", {"signed": uri(PATH, f"{HOST}:80")}),
    ("scheme-changed", {"signed": uri(PATH, scheme="http")}),
    ("path-rewritten", {"signed": uri("/v1alpha2/margo" + PATH)}),
    ("path-rewritten", {"signed": uri("/edge" + PATH), "fields": ["X-Forwarded-Prefix: /edge"]}),
    ("path-rewritten", {"signed": uri("/old/place?x=1"), "fields": ["X-Original-URL: /old/place?x=1"]}),
    ("path-respelled", {"signed": uri(PATH + "/")}),
    ("path-respelled", {"signed": uri(PATH.replace("/d-1", "//d-1"))}),
    ("path-respelled", {"target": PATH + "?b=2&a=1", "signed": uri(PATH + "?a=1&b=2")}),
    ("path-respelled", {"target": PATH + "?a=b%20c", "signed": uri(PATH + "?a=b+c")}),
    ("path-respelled", {"signed": uri(PATH + "?")}),
]  # fmt: skip


@pytest.mark.parametrize("device", [P256, RSA], ids=["p256", "rsa"])
@pytest.mark.parametrize(
    ("code", "wrong"), CHANGES, ids=[f"{number}-{code}" for number, (code, _) in enumerate(CHANGES)]
)
def test_hint(code: str, wrong: dict[str, Any], device: Device) -> None:
    report = explained(make(device, **wrong), device, try_hosts=("named.example.net",))
    assert codes(report) == [code]
    assert report.hints[0].proven
    assert report.hints[0].device or report.hints[0].gateway
    assert report.verdict.reason is Reason.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("received", "signed"),
    [
        ("/a/b%2Fc", "/a/b/c"),
        ("/a/b%2fc", "/a/b%2Fc"),
        ("/a/sha256:77", "/a/sha256%3A77"),
        ("/a/sha256%3A77", "/a/sha256:77"),
        ("/a//b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("/a/%7Eb", "/a/~b"),
    ],
)
def test_respelled_paths(received: str, signed: str) -> None:
    config = generic()
    report = explained(make(P256, target=received, signed=uri(signed)), P256, config)
    assert codes(report) == ["path-respelled"]
    assert report.verdict.reason is Reason.SIGNATURE_WRONG
    assert explained(make(P256, target=received), P256, config).verdict.accepted


@pytest.mark.parametrize("prefix", ["/edge", "/edge/two", "/v1alpha2/margo"])
def test_a_prefix_that_was_added(prefix: str) -> None:
    """The balancer adds a prefix: the configuration knows it, the device does not."""
    config = config_with(base_path=prefix)
    report = explained(make(P256, target=prefix + PATH, signed=uri(PATH)), P256, config)
    assert codes(report) == ["path-rewritten"]
    assert "base_path" in report.hints[0].gateway


def test_the_default_port_that_both_leave_out_is_no_mistake() -> None:
    report = explained(make(P256, host=f"{HOST}:443"), P256)
    assert report.verdict.accepted
    assert codes(report) == []


def test_host_and_scheme_together() -> None:
    report = explained(make(P256, host="backend:8080", signed=uri(PATH, "backend:8080", "http")), P256)
    assert sorted(codes(report)) == ["host-changed", "scheme-changed"]
    assert all(hint.proven for hint in report.hints)


def test_host_and_a_wrong_line_end_together() -> None:
    wrong = make(P256, host="backend:8080", signed=uri(PATH, "backend:8080"), base=lambda base: base + b"\n")
    assert sorted(codes(explained(wrong, P256))) == ["host-changed", "trailing-newline"]


def test_forwarded_fields_count_from_a_trusted_proxy() -> None:
    config = config_with(listen={"public_url": None, "trusted_proxies": ("10.0.0.0/8",)})
    raw = make(
        P256, host="backend:8080", fields=["X-Forwarded-Host: " + HOST, "X-Forwarded-Proto: https"], signed=uri(PATH)
    )
    assert explained(raw, P256, config, peer="10.0.0.1").verdict.accepted
    refused = explained(raw, P256, config, peer="192.0.2.1")
    assert refused.verdict.reason is Reason.REQUEST_HOST
    assert next(step for step in refused.steps if step.name == "origin").mark == "fail"


def test_the_backend_of_the_configuration_is_tried() -> None:
    config = config_with()  # its upstream is 127.0.0.1:9
    report = explained(make(P256, signed=uri(PATH, "127.0.0.1:9")), P256, config)
    assert codes(report) == ["host-changed"]
    assert "upstream.url" in report.hints[0].found
