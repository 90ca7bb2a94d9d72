"""Every mistake in a configuration file is one sentence with the key, what was seen and what is wanted."""

import json
from pathlib import Path

import pytest

from gateway.config import load
from gateway.reasons import ConfigError, Reason
from tests.unit.config.documents import GOOD, write

LISTEN = GOOD["listen"] + "\n"
UPSTREAM = GOOD["upstream"] + "\n"
GENERIC = 'profile = "generic"\n'
ROUTE = '[[route]]\npath = "/d/{clientId}"\n'
ADDRESS = 'wanted "host:port", "[v6]:port" or "unix:/path"'
PUBLIC = 'wanted "https://host" or "http://host", with a port if it is not the default, without path, query and user'
NETWORK = 'wanted a network such as "10.0.0.0/8" without host bits, an address, or "unix"'
BACKEND = (
    'wanted "http://host:port", "https://host:port" or "unix:///path", without path and query: paths go on unchanged'
)
STORE = (
    'wanted "embedded:DIR", "unix:///path", "redis://host:port", "redis+sentinel://host:port,.../MASTER" or '
    '"redis+cluster://host:port,..." (rediss for TLS)'
)
EMBEDDED = 'wanted "embedded:DIR", with ?server=PATH or ?maxmemory=SIZE (such as 512mb) if need be'
BASE_PATH = 'wanted "" or a plain path such as "/v1alpha2/margo", without a slash at the end'
SPAN = "wanted whole seconds from 1 to 604800 (a week)"
TIMEOUT = "wanted seconds above 0, at most 86400"
COMPONENTS = "wanted a list of derived components of RFC 9421 section 2.2 and lower-case field names"
REALM = "wanted 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -"
TEMPLATE = 'wanted a template such as "/devices/{clientId}/**" of plain segments, "*", {clientId}, and at the end "**"'
RSA = 'wanted a list of "rsa-pss-sha512", "rsa-v1_5-sha256", "rsa-pss-sha256"'
ALGORITHMS = (
    'wanted a list of "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-v1_5-sha256", "rsa-pss-sha256", "rsa-pss-sha512", '
    '"ed25519"'
)

SENTENCES: list[tuple[dict[str, str], str]] = [
    # Unknown keys
    ({"policy": "max_age = 300"}, "policy.max_age: unknown key; did you mean policy.max_age_s?"),
    ({"policy": "workers = 2"}, "policy.workers: unknown key; did you mean listen.workers?"),
    ({"polcy": "max_age_s = 300"}, "polcy: unknown key; did you mean policy?"),
    ({"top": "max_age_s = 3"}, "max_age_s: unknown key; did you mean policy.max_age_s?"),
    ({"errors": "xyzzy = 3"}, "errors.xyzzy: unknown key; known here: format"),
    ({"policy": GENERIC, "route": '[[route]]\npth = "/x"'}, "route[0].pth: unknown key; did you mean route[0].path?"),
    ({"policy": GENERIC, "route": '[[routes]]\npath = "/x"'}, "routes: unknown key; did you mean route?"),
    (
        {"engine": 'ecdsa-p256-sha256 = "auto"'},
        "engine.ecdsa-p256-sha256: unknown key; known here: ed25519, p256, p384",
    ),
    ({"engine": 'p256 = "aws"'}, 'engine.p256: got "aws", wanted one of "auto", "batch", "fast", "single"'),
    ({"engine": 'ed25519 = "fast"'}, 'engine.ed25519: got "fast", wanted one of "auto", "batch", "single"'),
    # Types and ranges
    ({"top": "log = 3"}, "log: got 3, wanted a table, written [log]"),
    ({"top": 'route = "/x"'}, 'route: got "/x", wanted tables, each written [[route]]'),
    ({"top": "route = [3]"}, "route[0]: got 3, wanted a table"),
    ({"policy": 'max_age_s = "300"'}, f'policy.max_age_s: got "300", {SPAN}'),
    ({"policy": "max_age_s = 0"}, f"policy.max_age_s: got 0, {SPAN}"),
    ({"policy": "max_age_s = 1.5"}, f"policy.max_age_s: got 1.5, {SPAN}"),
    ({"policy": "max_age_s = true"}, f"policy.max_age_s: got true, {SPAN}"),
    ({"policy": "clock_skew_s = -1"}, "policy.clock_skew_s: got -1, wanted whole seconds from 0 to 86400"),
    (
        {"policy": "body_limit_bytes = 0"},
        "policy.body_limit_bytes: got 0, wanted a whole number of bytes from 1 to 1099511627776",
    ),
    ({"policy": "require_covered_digest = 1"}, "policy.require_covered_digest: got 1, wanted true or false"),
    ({"policy": 'replay = "on"'}, 'policy.replay: got "on", wanted one of "off", "unsafe", "all"'),
    ({"policy": 'profile = "opc"'}, 'policy.profile: got "opc", wanted one of "margo", "generic"'),
    ({"policy": 'keyid = "strict"'}, 'policy.keyid: got "strict", wanted one of "log", "match", "client-id"'),
    (
        {"policy": "structured_fields = 3"},
        'policy.structured_fields: got 3, wanted a table of lower-case field names, each "item", "list" or "dictionary"',
    ),
    (
        {"policy": 'structured_fields = {X = "item"}'},
        'policy.structured_fields: got "X", wanted a table of lower-case field names, each "item", "list" or "dictionary"',
    ),
    (
        {"policy": 'structured_fields = {x = "map"}'},
        'policy.structured_fields: got a table, wanted a table of lower-case field names, each "item", "list" or "dictionary"',
    ),
    ({"upstream": UPSTREAM + "connect_timeout_s = 0"}, f"upstream.connect_timeout_s: got 0, {TIMEOUT}"),
    ({"upstream": UPSTREAM + "connect_timeout_s = inf"}, f"upstream.connect_timeout_s: got inf, {TIMEOUT}"),
    ({"upstream": UPSTREAM + "connect_timeout_s = nan"}, f"upstream.connect_timeout_s: got nan, {TIMEOUT}"),
    (
        {"upstream": UPSTREAM + "connections = 0"},
        "upstream.connections: got 0, wanted a whole number from 1 to 10000000",
    ),
    ({"upstream": UPSTREAM + 'ca = ""'}, 'upstream.ca: got "", wanted the name of a PEM file'),
    ({"listen": LISTEN + "workers = 0"}, "listen.workers: got 0, wanted a whole number from 1 to 1024"),
    (
        {"listen": LISTEN + 'trusted_proxies = "10.0.0.0/8"'},
        'listen.trusted_proxies: got "10.0.0.0/8", wanted a list of networks in text',
    ),
    ({"store": "timeout_ms = 0"}, "store.timeout_ms: got 0, wanted whole milliseconds from 1 to 60000"),
    (
        {"headers": 'forward = "none"'},
        'headers.forward: got "none", wanted "all", "covered" or a list of lower-case field names',
    ),
    (
        {"headers": 'forward = ["Accept"]'},
        'headers.forward: got "Accept", wanted "all", "covered" or a list of lower-case field names',
    ),
    (
        {"limits": "head_limit_bytes = 65536"},
        "limits.head_limit_bytes: got 65536, wanted a whole number of bytes from 1024 to 32768",
    ),
    # Addresses
    ({"listen": LISTEN + 'address = "8080"'}, f'listen.address: got "8080", {ADDRESS}'),
    ({"listen": LISTEN + 'address = "localhost:99999"'}, f'listen.address: got "localhost:99999", {ADDRESS}'),
    ({"listen": LISTEN + 'address = "::1:8080"'}, f'listen.address: got "::1:8080", {ADDRESS}'),
    ({"listen": LISTEN + 'address = "[::g]:8080"'}, f'listen.address: got "[::g]:8080", {ADDRESS}'),
    ({"listen": LISTEN + 'address = "unix:"'}, f'listen.address: got "unix:", {ADDRESS}'),
    *(
        ({"listen": f'public_url = "{url}"'}, f'listen.public_url: got "{url}", {PUBLIC}')
        for url in (
            "wfm.example.com",
            "ftp://wfm.example.com",
            "https://",
            "https://wfm.example.com/api",
            "https://wfm.example.com?x",
            "https://wfm.example.com#x",
            "https://me@wfm.example.com",
            "https://wfm.example.com:",
            "https://wfm.example.com:0",
            "https://wfm example.com",
            "https://fährt.example",
        )
    ),
    ({"listen": 'trusted_proxies = ["10.0.0.1/8"]'}, f'listen.trusted_proxies: got "10.0.0.1/8", {NETWORK}'),
    ({"listen": 'trusted_proxies = ["lb.example"]'}, f'listen.trusted_proxies: got "lb.example", {NETWORK}'),
    (
        {"listen": 'trusted_proxies = ["unix"]'},
        'listen.trusted_proxies: "unix" only means something with a unix listen.address',
    ),
    # The backend
    ({"upstream": ""}, BACKEND.replace("wanted", "upstream.url: missing, wanted", 1)),
    ({"upstream": 'url = "http://backend/prefix"'}, f'upstream.url: got "http://backend/prefix", {BACKEND}'),
    ({"upstream": 'url = "unix:run/x"'}, f'upstream.url: got "unix:run/x", {BACKEND}'),
    ({"upstream": 'url = "backend:9000"'}, f'upstream.url: got "backend:9000", {BACKEND}'),
    ({"upstream": UPSTREAM + 'ca = "x"'}, 'upstream.ca: only means something with an "https://" upstream.url'),
    (
        {"upstream": 'url = "unix:/x"\nclient_cert = "x"'},
        'upstream.client_cert: only means something with an "https://" upstream.url',
    ),
    (
        {"upstream": 'url = "https://x"\nclient_cert = "gateway.toml"'},
        "upstream.client_key: missing, although upstream.client_cert is given",
    ),
    (
        {"upstream": 'url = "https://x"\nclient_key = "gateway.toml"'},
        "upstream.client_cert: missing, although upstream.client_key is given",
    ),
    # The store
    *(
        ({"store": f'url = "{url}"'}, f'store.url: got "{url}", {STORE}')
        for url in (
            "data",
            "embedded:",
            "mysql://x",
            "redis://",
            "redis://[::1",
            "redis://x/name",
            "redis://x?db=1",
            "redis://x:99999",
            "unix://run/x",
            "redis+cluster://x/1",
            "redis+cluster://x,",
            "redis+sentinel://x",
            "redis+sentinel://x/m/y",
            "redis+other://x",
        )
    ),
    ({"store": 'url = "embedded:d?color=red"'}, f'store.url: got "embedded:d?color=red", {EMBEDDED}'),
    ({"store": 'url = "embedded:d?server="'}, f'store.url: got "embedded:d?server=", {EMBEDDED}'),
    ({"store": 'url = "embedded:d?maxmemory=lots"'}, f'store.url: got "embedded:d?maxmemory=lots", {EMBEDDED}'),
    ({"store": 'url = "redis://u:secret@x/name"'}, f'store.url: got "redis://u:***@x/name", {STORE}'),
    ({"store": 'url = "unix:///x"\nadmin_url = "x"'}, f'store.admin_url: got "x", {STORE}'),
    ({"store": 'user = "x"'}, "store.user: means nothing with the embedded store, which has its own users"),
    ({"store": 'url = "unix:///x"\nca = "x"'}, 'store.ca: only means something with a "rediss://" store.url'),
    (
        {"store": 'url = "rediss://x"\nclient_key = "gateway.toml"'},
        "store.client_cert: missing, although store.client_key is given",
    ),
    (
        {"store": 'url = "rediss://x"\nclient_cert = "gateway.toml"'},
        "store.client_key: missing, although store.client_cert is given",
    ),
    # Policy
    *(
        ({"policy": f'base_path = "{path}"'}, f'policy.base_path: got "{path}", {BASE_PATH}')
        for path in ("/a/", "a", "/", "/a//b", "/a/../b", "/%61", "/a;b", "/ä", "/a?b")
    ),
    ({"policy": 'realm = "a:b"'}, f'policy.realm: got "a:b", {REALM}'),
    (
        {"policy": "max_age_s = 300\nmax_window_s = 200"},
        "policy.max_window_s: got 200, wanted at least policy.max_age_s, which is 300",
    ),
    ({"policy": "required_components = []"}, f"policy.required_components: got [], {COMPONENTS}"),
    ({"policy": 'required_components = ["@Method"]'}, f'policy.required_components: got "@Method", {COMPONENTS}'),
    ({"policy": 'required_components = ["@status"]'}, f'policy.required_components: got "@status", {COMPONENTS}'),
    ({"policy": 'required_components = ["Date"]'}, f'policy.required_components: got "Date", {COMPONENTS}'),
    ({"policy": 'required_components = ["date", "date"]'}, 'policy.required_components: "date" stands twice'),
    ({"policy": 'algorithms = ["hmac-sha256"]'}, f'policy.algorithms: got ["hmac-sha256"], {ALGORITHMS}'),
    ({"policy": "algorithms = []"}, f"policy.algorithms: got [], {ALGORITHMS}"),
    ({"policy": 'algorithms = ["ed25519", "ed25519"]'}, 'policy.algorithms: "ed25519" stands twice'),
    ({"policy": 'rsa_algorithms = ["ed25519"]'}, f'policy.rsa_algorithms: got "ed25519", {RSA}'),
    (
        {"policy": 'rsa_algorithms = ["rsa-pss-sha256", "rsa-pss-sha256"]'},
        'policy.rsa_algorithms: "rsa-pss-sha256" stands twice',
    ),
    ({"policy": 'keyid = "client-id"'}, 'policy.keyid: "client-id" is for profile "generic" only'),
    (
        {"limits": "spool_total_bytes = 300000"},
        "limits.spool_total_bytes: got 300000, wanted at least policy.body_limit_bytes, which is 10485760",
    ),
    # Routes
    ({"policy": 'mode = "passthrough"'}, 'policy.mode: got "passthrough", wanted one of "enforce", "observe"'),
    ({"policy": "observe_share = 0"}, "policy.observe_share: got 0, wanted a whole number of percent from 1 to 100"),
    (
        {"policy": "enforce_share = 5"},
        'policy.enforce_share: means nothing, because no route has mode = "observe"',
    ),
    (
        {"policy": 'modes = {bundles = "observe"}'},
        "policy.modes.bundles: there is no signed route of this name; did you mean policy.modes.bundle?",
    ),
    (
        {"policy": GENERIC + 'modes = {bundle = "observe"}', "route": ROUTE},
        'policy.modes: is for profile "margo" only; a [[route]] has a mode of its own',
    ),
    (
        {"policy": 'modes = {bundle = "shadow"}'},
        'policy.modes: got a table, wanted a table of route names, each "enforce", "observe", "off" or "passthrough"',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'access = "open"\nmode = "observe"'},
        'route[0].mode: means nothing on a route with access = "open"',
    ),
    ({"route": ROUTE}, 'route: [[route]] is for profile "generic" only, this is "margo"'),
    (
        {"policy": GENERIC},
        'route: profile "generic" has no routes of its own; a configuration file must have at least one [[route]]',
    ),
    ({"policy": GENERIC, "route": "[[route]]\n"}, TEMPLATE.replace("wanted", "route[0].path: missing, wanted", 1)),
    *(
        ({"policy": GENERIC, "route": f'[[route]]\npath = "{path}"'}, f'route[0].path: got "{path}", {TEMPLATE}')
        for path in (
            "",
            "d/{clientId}",
            "/d//{clientId}",
            "/**/{clientId}",
            "/d/x*",
            "/d/{id}",
            "/d/..",
            "/d/%41",
            "/{clientId}x",
        )
    ),
    (
        {"policy": GENERIC, "route": '[[route]]\npath = "/{clientId}/{clientId}"'},
        "route[0].path: {clientId} stands twice",
    ),
    (
        {"policy": GENERIC, "route": '[[route]]\npath = "/d"'},
        'route[0].path: got "/d", wanted a segment {clientId}, or client_id = "keyid"',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'methods = ["get"]'},
        'route[0].methods: got "get", wanted a list of method names such as ["GET", "POST"]',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'access = "any"'},
        'route[0].access: got "any", wanted one of "signed", "open", "off"',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'relax = ["dots"]'},
        'route[0].relax: got ["dots"], wanted a list of "encoded_slash", "semicolon", "percent", "empty_segment" and "non_ascii"',
    ),
    ({"policy": GENERIC, "route": ROUTE + 'realm = ""'}, f'route[0].realm: got "", {REALM}'),
    ({"policy": GENERIC, "route": ROUTE + "realm = 3"}, "route[0].realm: got 3, wanted text"),
    (
        {"policy": GENERIC, "route": '[[route]]\npath = "/x"\naccess = "off"\nclient_id = "keyid"'},
        'route[0].client_id: means nothing on a route with access = "off"',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'client_id = "keyid"'},
        'route[0].client_id: "keyid" although the path names {clientId}; one of them must go',
    ),
    (
        {"policy": GENERIC, "route": '[[route]]\npath = "/x"\nclient_id = "keyid"'},
        'route[0].client_id: "keyid" needs policy.keyid = "client-id"',
    ),
    (
        {"policy": GENERIC, "route": ROUTE + '[[route]]\npath = "/d/*"\naccess = "off"'},
        "route[1].path: /d/* is the same as route[0]",
    ),
    (
        {"policy": GENERIC, "route": ROUTE + 'methods = ["PUT", "GET"]\n' + ROUTE + 'methods = ["GET"]'},
        "route[1].path: GET /d/{clientId} is the same as route[0]",
    ),
]


@pytest.mark.parametrize(("sections", "sentence"), SENTENCES, ids=[sentence[:60] for _, sentence in SENTENCES])
def test_invalid_setting_is_one_sentence(tmp_path: Path, sections: dict[str, str], sentence: str) -> None:
    path = write(tmp_path, **sections)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.message == f"{path}: {sentence}"
    assert caught.value.reason == Reason.CONFIG_INVALID


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_r16_open_route_takes_no_method_with_effects(tmp_path: Path, method: str) -> None:
    route = f'[[route]]\npath = "/x"\naccess = "open"\nmethods = ["GET", "{method}"]'
    with pytest.raises(ConfigError, match=f'route\\[0\\].methods: got "{method}", wanted only GET and HEAD') as caught:
        load(write(tmp_path, policy=GENERIC, route=route))
    assert caught.value.reason == Reason.CONFIG_INVALID


def test_r7_start_is_refused_when_nothing_names_the_authority(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"listen\.public_url: missing, and listen\.trusted_proxies is empty"
    ) as caught:
        load(write(tmp_path, listen=""))
    assert caught.value.reason == Reason.CONFIG_AUTHORITY


@pytest.mark.parametrize("networks", [["0.0.0.0/0"], ["::/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["::ffff:0:0/96"]])
def test_r6_trusting_everyone_must_be_spelled_out(tmp_path: Path, networks: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"listen\.trusted_proxies: trusts every address; .*trust_everyone") as caught:
        load(write(tmp_path, listen=f"trusted_proxies = {json.dumps(networks)}"))
    assert caught.value.reason == Reason.CONFIG_UNSAFE


@pytest.mark.parametrize(
    "store", ['url = "redis://10.0.0.5"', 'url = "unix:///x"\nadmin_url = "redis://store.example"']
)
def test_r27_remote_store_without_tls_must_be_spelled_out(tmp_path: Path, store: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url: goes to another machine without TLS") as caught:
        load(write(tmp_path, store=store))
    assert caught.value.reason == Reason.CONFIG_UNSAFE


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"upstream": 'url = "https://x"\nca = "nowhere.pem"'}, "upstream.ca"),
        ({"store": 'url = "rediss://x"\nca = "nowhere.pem"'}, "store.ca"),
        ({"store": 'url = "unix:///x"\npassword_file = "nowhere.pem"'}, "store.password_file"),
    ],
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, sections: dict[str, str], key: str) -> None:
    path = write(tmp_path, **sections)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.message == f"{path}: {key}: cannot read {tmp_path}/nowhere.pem (no such file or directory)"
    assert caught.value.reason == Reason.CONFIG_UNREADABLE


def test_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.toml: cannot be read \(no such file or directory\)") as caught:
        load(tmp_path / "gateway.toml")
    assert caught.value.reason == Reason.CONFIG_UNREADABLE


@pytest.mark.parametrize(("text", "words"), [(b"[listen\n", "is not valid TOML: "), (b"\xff", "is not UTF-8 text")])
def test_configuration_that_is_not_toml(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert caught.value.reason == Reason.CONFIG_INVALID
