"""Profile `generic`: templates, precedence, relaxations, where the client id comes from."""

from typing import Any

import pytest

from gateway.model import Refusal
from gateway.reasons import Reason
from gateway.routing import Match, RouteTable
from tests.unit.routing.heads import generic, head

RELAXED = {
    "encoded_slash": b"/d/x/a%2Fb",
    "semicolon": b"/d/x/a;b",
    "percent": b"/d/x/a%25b",
    "empty_segment": b"/d/x//b",
    "non_ascii": b"/d/x/%C3%A4",
}


def find(path: bytes, *routes: dict[str, Any], method: bytes = b"GET", **policy: Any) -> Match | Refusal:
    return RouteTable(generic(*routes, **policy)).find(head(path, method))


def name(found: Match | Refusal) -> str:
    return found.route if isinstance(found, Match) else found.reason


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/d/x", "/d/{clientId}/**"),
        (b"/d/x/", "/d/{clientId}/**"),
        (b"/d/x/y/z/", "/d/{clientId}/**"),
        (b"/d/x/info", "/d/{clientId}/info"),
        (b"/d/x/info/y", "/d/{clientId}/**"),
        (b"/d/info/x", "/d/info/*"),
        (b"/d/info/x/y", "/d/{clientId}/**"),
        (b"/d/*", "/d/{clientId}/**"),
        (b"/d/self/a/b", "/d/{clientId}/**"),
        (b"/d/self/a", "/d/self/a"),
        (b"/f/x", "/f/*"),
        (b"/f/", "request.no_route"),
        (b"/f", "request.no_route"),
        (b"/f/x/", "request.no_route"),
        (b"/s/", "/s/"),
        (b"/s", "request.no_route"),
        (b"/", "/"),
        (b"/dd/x", "request.no_route"),
    ],
)
def test_the_most_specific_template_wins(path: bytes, route: str) -> None:
    templates = ("/d/{clientId}/**", "/d/{clientId}/info", "/d/info/*", "/d/self/a", "/f/*", "/s/", "/")
    routes = [{"path": path} if "{clientId}" in path else {"path": path, "access": "off"} for path in templates]
    wanted = name(find(path, *routes))
    assert wanted == ("request.bad_client_id" if path == b"/d/*" else route)
    assert wanted == name(find(path, *reversed(routes)))


def test_client_id_from_the_path_or_from_the_keyid() -> None:
    routes = ({"path": "/d/{clientId}"}, {"path": "/k/**", "client_id": "keyid", "require_covered_digest": False})
    by_path = find(b"/d/dev-1", *routes, keyid="client-id")
    assert by_path == Match("signed", "/d/{clientId}", "default", "dev-1")
    by_keyid = find(b"/k/dev-1", *routes, keyid="client-id")
    assert by_keyid == Match("signed", "/k/**", "default", None, True, False)


def test_unsigned_routes_name_no_client() -> None:
    found = find(b"/o/not%20an%20id", {"path": "/o/{clientId}", "access": "open"})
    assert found == Match("open", "/o/{clientId}", "default")


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PATCH", b"PURGE"])
def test_signed_route_takes_every_method_by_default(method: bytes) -> None:
    assert name(find(b"/d/x", {"path": "/d/{clientId}"}, method=method)) == "/d/{clientId}"


def test_one_path_may_treat_methods_differently() -> None:
    routes = ({"path": "/d/{clientId}"}, {"path": "/d/*", "methods": ["GET"], "access": "open"})
    kinds = {method: find(b"/d/x", *routes, method=method) for method in (b"GET", b"HEAD", b"POST")}
    assert {method: match.kind for method, match in kinds.items() if isinstance(match, Match)} == {
        b"GET": "open",
        b"HEAD": "open",
        b"POST": "signed",
    }


@pytest.mark.parametrize("method", [b"POST", b"DELETE", b"OPTIONS"])
def test_r16_open_route_takes_only_get_and_head(method: bytes) -> None:
    route = {"path": "/o/**", "access": "open"}
    assert name(find(b"/o/x", route)) == "/o/**"
    assert name(find(b"/o/x", route, method=b"HEAD")) == "/o/**"
    assert find(b"/o/x", route, method=method) == Refusal(Reason.REQUEST_METHOD, allow=("GET", "HEAD"))


@pytest.mark.parametrize("relaxation", RELAXED)
@pytest.mark.parametrize("shape", RELAXED)
def test_r1_relaxation_opens_what_it_names_and_nothing_else(relaxation: str, shape: str) -> None:
    found = find(RELAXED[shape], {"path": "/d/{clientId}/**", "relax": [relaxation]})
    assert name(found) == ("/d/{clientId}/**" if relaxation == shape else Reason.REQUEST_PATH)


@pytest.mark.parametrize("shape", RELAXED)
def test_r1_is_kept_by_generic_routes_without_relaxation(shape: str) -> None:
    assert name(find(RELAXED[shape], {"path": "/d/{clientId}/**"})) == Reason.REQUEST_PATH


def test_r1_relaxation_is_per_route() -> None:
    routes = ({"path": "/d/{clientId}/**", "relax": ["semicolon"]}, {"path": "/e/{clientId}/**"})
    assert name(find(b"/d/x/a;b", *routes)) == "/d/{clientId}/**"
    assert name(find(b"/e/x/a;b", *routes)) == Reason.REQUEST_PATH


@pytest.mark.parametrize("tail", [b"..", b"%2e%2e", b"a%2F..", b"..;x", b"%00", b"%5C", b"%0A", b"%FF"])
def test_r1_dots_controls_and_backslash_stay_refused_when_all_is_relaxed(tail: bytes) -> None:
    found = find(b"/d/x/" + tail, {"path": "/d/{clientId}/**", "relax": list(RELAXED)})
    assert name(found) == Reason.REQUEST_PATH


@pytest.mark.parametrize("path", [b"/d/a%2Fb/x", b"/d/a;b/x", b"/d/%C3%A4/x", b"/d/a%25/x"])
def test_r2_client_id_stays_strict_when_all_is_relaxed(path: bytes) -> None:
    found = find(path, {"path": "/d/{clientId}/**", "relax": list(RELAXED)})
    assert found == Refusal(Reason.REQUEST_CLIENT_ID)


def test_wide_tables_are_searched_in_bounded_steps() -> None:
    routes = [
        {"path": "/" + "/".join("a*"[(index >> bit) & 1] for bit in range(6)), "access": "off"} for index in range(64)
    ]
    table = RouteTable(generic(*routes))
    assert name(table.find(head(b"/a/a/a/a/a/a"))) == "/a/a/a/a/a/a"
    assert name(table.find(head(b"/a/a/b/a/a/a"))) == "/a/a/*/a/a/a"
    assert name(table.find(head(b"/a/a/a/a/a/a" + b"/a" * 10_000))) == Reason.REQUEST_NO_ROUTE
