"""`[upstream]` with several servers, and several `[[upstream]]`."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config import Config
from gateway.config.load import settle
from gateway.config.mistake import Mistake
from gateway.config.render import effective
from gateway.config.upstream import BackendServer, Check
from gateway.config.warnings import warnings

LISTEN = '[listen]\npublic_url = "https://wfm.example.com"\n'

SEVERAL = """
[[upstream]]
name = "wfm"
servers = ["http://10.0.0.1:8080", {url = "http://10.0.0.2:8080", weight = 2}]
balance = "least_requests"
retry = "idempotent"
max_requests = 500

[upstream.check]
path = "/healthz"
interval_s = 2

[[upstream]]
name = "bundles"
url = "unix:///run/bundles.sock"
prefixes = ["/api/v1/bundles", "/files"]
"""


def read(text: str) -> Config:
    return settle(tomllib.loads(LISTEN + text), Path("/etc/wfm"), "")


def test_servers_of_one_upstream() -> None:
    config = read('[upstream]\nservers = ["http://a:1", {url = "https://b", weight = 3}]\n')
    assert config.upstream.backends == (BackendServer(url="http://a:1"), BackendServer(url="https://b", weight=3))
    assert [origin.host for origin in config.upstream.origins] == ["a", "b"]
    assert config.upstream.alone(config.upstream.backends[1]).origin is not None
    assert config.upstreams == (config.upstream,)


def test_several_upstreams() -> None:
    config = read(SEVERAL)
    assert [one.name for one in config.upstreams] == ["wfm", "bundles"]
    wfm, bundles = config.upstreams
    assert config.upstream is wfm
    assert wfm.check == Check(path="/healthz", interval_s=2.0)
    assert bundles.backends == (BackendServer(url="unix:///run/bundles.sock"),)


@pytest.mark.parametrize(
    ("path", "length"),
    [
        (b"/files", 6),
        (b"/files/", 6),
        (b"/files/a/b", 6),
        (b"/files2", 0),
        (b"/file", 0),
        (b"/", 0),
        (b"/api/v1/bundles/x", 15),
        (b"/api/v1/bundles%2Fx", 0),
    ],
)
def test_r1_prefixes_are_whole_segments(path: bytes, length: int) -> None:
    assert read(SEVERAL).upstreams[1].covers(path) == length


@pytest.mark.parametrize(
    "text", [SEVERAL, '[upstream]\nservers = ["http://a:1", "http://b:1"]\nidle_timeout_s = 5.0\n']
)
def test_what_is_printed_means_the_same(text: str) -> None:
    config = read(text)
    assert settle(tomllib.loads(effective(config)), Path("/etc/wfm"), "") == config
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_plain_http_to_any_server_is_said() -> None:
    found = [line for line in warnings(read(SEVERAL)) if "upstream" in line]
    assert found == [
        "upstream.servers: wfm: plain http to another machine; whoever reaches that backend can forge Wfm-* fields (R17)"
    ]


URL = '"http://host:port", "https://host:port" or "unix:///path", without path and query: paths go on unchanged'
ONE = '[[upstream]]\nurl = "http://127.0.0.1:1"\n'

MISTAKES: list[tuple[str, str]] = [
    ("[upstream]\n", f"upstream.url: missing, wanted {URL}"),
    ('[upstream]\nservers = ["http://a/x"]\n', f'upstream.servers: got "http://a/x", wanted {URL}'),
    ('[upstream]\nservers = ["unix:x"]\n', f'upstream.servers: got "unix:x", wanted {URL}'),
    (
        '[upstream]\nurl = "http://a"\nservers = ["http://b"]\n',
        "upstream.url: stands beside upstream.servers; put it into that list",
    ),
    (
        '[upstream]\nservers = ["http://a", "http://a"]\n',
        'upstream.servers: "http://a" stands twice; give it a weight instead',
    ),
    (
        '[upstream]\nservers = [{url = "http://a", wieght = 2}]\n',
        'upstream.servers: got [a table], wanted a list such as ["http://a:80", {url = "http://b:80", weight = 2}], with weights from 1 to 100',
    ),
    (
        '[upstream]\nurl = "http://a"\nbalance = "random"\n',
        'upstream.balance: got "random", wanted one of "round_robin", "least_requests", "client_id"',
    ),
    (
        '[upstream]\nurl = "http://a"\nbalance = "client_id"\nslow_start_s = 5\n',
        'upstream.slow_start_s: means nothing with balance = "client_id": every client has its server',
    ),
    (
        '[upstream]\nurl = "http://a"\nprefixes = ["/x"]\n',
        "upstream.prefixes: means nothing for the only upstream; several are written [[upstream]]",
    ),
    ('[upstream]\nurl = "http://a"\ncheck = "/x"\n', 'upstream.check: got "/x", wanted a table'),
    (
        '[upstream]\nurl = "http://a"\n[upstream.check]\n',
        'upstream.check.path: missing, wanted a path such as "/healthz"',
    ),
    (
        '[upstream]\nurl = "http://a"\n[upstream.check]\npath = "healthz"\n',
        'upstream.check.path: got "healthz", wanted a path such as "/healthz"',
    ),
    (
        '[upstream]\nurl = "http://a"\n[upstream.check]\npath = "/"\nintervall_s = 1\n',
        "upstream.check.intervall_s: unknown key; did you mean upstream.check.interval_s?",
    ),
    (ONE + 'name = "a b"\n', 'upstream[0].name: got "a b", wanted a name of at most 64 letters, digits, `-` and `_`'),
    (
        ONE + 'prefixes = ["/x"]\n',
        "upstream: one [[upstream]] must have no prefixes: it gets what none of the others is for",
    ),
    (ONE + ONE + 'name = "b"\n', "upstream[1].prefixes: missing; only one may be without, and upstream[0] is"),
    (ONE + ONE + 'prefixes = ["/x"]\n', 'upstream[1].name: "default" is the name of upstream[0] too'),
    (
        ONE + ONE + 'name = "b"\nprefixes = ["/x/"]\n',
        'upstream[1].prefixes: got "/x/", wanted a list of paths such as ["/api/v1/ota"], which stand for themselves and for all below them',
    ),
    (
        ONE + ONE + 'name = "b"\nprefixes = ["/x"]\n' + ONE + 'name = "c"\nprefixes = ["/x"]\n',
        'upstream[2].prefixes: "/x" stands in upstream[1] too',
    ),
    (ONE + 'ca = "x.pem"\n', 'upstream[0].ca: only means something with an "https://" upstream[0].url'),
    ('upstream = "http://a"\n', 'upstream: got "http://a", wanted a table, written [upstream]'),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES])
def test_mistakes_are_one_sentence(text: str, message: str) -> None:
    document: dict[str, Any] = tomllib.loads(text)
    document.setdefault("listen", {"public_url": "https://wfm.example.com"})
    with pytest.raises(Mistake) as error:
        settle(document, Path("/etc/wfm"), "")
    assert str(error.value) == message
