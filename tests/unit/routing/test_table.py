"""Looking up routes: profile `margo`, prefixes, methods, and what is refused (R1, R2, R3)."""

import pytest

from gateway.model import Refusal
from gateway.reasons import Reason
from gateway.routing import Match, RouteTable
from tests.unit.routing.heads import generic, head, margo

ID = b"/api/v1/clients/dev-1"
SHA = b"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UUID = b"a3e2f5dc-912e-494f-8395-52cf3769bc06"

MARGO = [
    (b"GET", b"/api/v1/onboarding/certificate", "open", "onboarding-certificate"),
    (b"HEAD", b"/api/v1/onboarding/certificate", "open", "onboarding-certificate"),
    (b"POST", b"/api/v1/onboarding", "onboarding", "onboarding"),
    (b"POST", b"/api/v1/auth/token", "off", "symphony-token"),
    (b"POST", ID + b"/capabilities", "signed", "capabilities"),
    (b"PUT", ID + b"/capabilities", "signed", "capabilities"),
    (b"POST", ID + b"/capabilities/gw-1", "signed", "device-capabilities"),
    (b"PUT", ID + b"/capabilities/gw-1/child.2/x~3", "signed", "device-capabilities"),
    (b"PUT", ID + b"/capabilities/gw-1%2Fchild", "signed", "device-capabilities"),
    (b"DELETE", ID + b"/capabilities/gw-1%2fchild/x", "signed", "device-capabilities"),
    (b"GET", ID + b"/deployments", "signed", "deployments"),
    (b"HEAD", ID + b"/deployments", "signed", "deployments"),
    (b"GET", ID + b"/bundles/" + SHA, "signed", "bundle"),
    (b"GET", ID + b"/deployments/" + UUID + b"/" + SHA, "signed", "deployment"),
    (b"HEAD", ID + b"/deployments/" + UUID + b"/" + SHA, "signed", "deployment"),
    (b"POST", ID + b"/deployments/" + UUID + b"/status", "signed", "status"),
    (b"POST", ID + b"/deployment/" + UUID + b"/status", "signed", "status-singular"),
]


@pytest.fixture(scope="module")
def table() -> RouteTable:
    return RouteTable(margo())


@pytest.mark.parametrize("base_path", ["", "/v1alpha2/margo", "/tenant-7", "/api/v1"])
@pytest.mark.parametrize(("method", "path", "kind", "route"), MARGO)
def test_margo_routes(base_path: str, method: bytes, path: bytes, kind: str, route: str) -> None:
    found = RouteTable(margo(base_path)).find(head(base_path.encode() + path, method))
    assert found == Match(kind, route, "default", "dev-1" if kind == "signed" else None)


@pytest.mark.parametrize("path", [path for _, path, _, _ in MARGO])
def test_r1_prefix_matches_whole_segments(path: bytes) -> None:
    prefixed = RouteTable(margo("/v1alpha2/margo"))
    for other in (
        path,
        b"/v1alpha2" + path,
        b"/v1alpha2/margox" + path,
        b"/V1alpha2/margo" + path,
        b"/v1alpha2/margo/x" + path,
    ):
        found = prefixed.find(head(other))
        assert isinstance(found, Refusal)
        assert found.reason == (Reason.REQUEST_PATH if b"%" in path else Reason.REQUEST_NO_ROUTE)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/api",
        b"/api/v1/clients",
        b"/api/v1/clients/dev-1",
        b"/api/v2/clients/dev-1/deployments",
        b"/API/v1/clients/dev-1/deployments",
        b"/%61pi/v1/clients/dev-1/deployments",
        b"/api/v1/clients/dev-1/deployments/",
        b"/api/v1/clients/dev-1/capabilities/",
        b"/api/v1/clients/dev-1/capabilities/gw/",
        b"/api/v1/clients/dev-1/bundles",
        b"/api/v1/clients/dev-1/bundles/a/b",
        b"/api/v1/clients/dev-1/deployments/a/b/c",
        b"/api/v1/clients/dev-1/deployment/a/sha256:b",
        b"/api/v1/onboarding/",
        b"/api/v1/onboarding/certificate/x",
        b"/x/api/v1/onboarding/certificate",
    ],
)
def test_r1_path_that_nothing_matches_is_refused(table: RouteTable, path: bytes) -> None:
    assert table.find(head(path)) == Refusal(Reason.REQUEST_NO_ROUTE)


@pytest.mark.parametrize(
    "path",
    [
        ID + b"/capabilities/../../dev-2/deployments",
        ID + b"/capabilities/%2e%2e/%2E%2E/dev-2/deployments",
        ID + b"/capabilities/gw%2F..%2F..%2F..%2Fdev-2",
        ID + b"/capabilities/gw%2F",
        ID + b"/capabilities/%2Fgw",
        ID + b"/capabilities/gw//child",
        ID + b"/capabilities//gw",
        ID + b"/capabilities/gw;x=1",
        ID + b"/capabilities/gw%252Fchild",
        ID + b"/capabilities/gw%00",
        ID + b"/capabilities/g%C3%A4",
        ID + b"/deployments/a%2Fb/" + SHA,
        ID + b"/deployments/a%2Fb/status",
        ID + b"/bundles/a%2Fb",
        b"/api/v1/clients/dev-1%2Fdeployments",
        b"/api/v1/clients/a%2Fb/deployments",
        b"/api/v1/clients/a%2Fb/capabilities/gw",
        b"/api/v1/clients//deployments",
        b"/api/v1//clients/dev-1/deployments",
        b"//api/v1/clients/dev-1/deployments",
        b"/api/v1/clients/dev-1;x/deployments",
        b"/nowhere;x",
        b"/nowhere%2Fx",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"PUT", b"PATCH"])
def test_r1_path_with_two_meanings_is_refused_before_routing(table: RouteTable, path: bytes, method: bytes) -> None:
    found = table.find(head(path, method))
    if path == b"/api/v1/clients/a%2Fb/capabilities/gw" and method == b"PUT":
        assert found == Refusal(Reason.REQUEST_CLIENT_ID)  # %2F passes on this route, but never in a client id
        return
    if path == b"/api/v1/clients/a%2Fb/capabilities/gw":
        assert isinstance(found, Refusal)
        assert found.reason == Reason.REQUEST_METHOD
        return
    assert isinstance(found, Refusal)
    assert found.reason == Reason.REQUEST_PATH


@pytest.mark.parametrize("client_id", [b"a" * 129, b"dev%31", b"a:b", b"a,b", b"a%20b", b"{clientId}", b"a+b", b"a@b"])
def test_r2_client_id_outside_of_the_grammar_is_refused(table: RouteTable, client_id: bytes) -> None:
    assert table.find(head(b"/api/v1/clients/" + client_id + b"/deployments")) == Refusal(Reason.REQUEST_CLIENT_ID)


def test_r2_client_id_is_compared_literally(table: RouteTable) -> None:
    for client_id in ("Dev-1", "dev-1", "...", "=~_", "a" * 128):
        found = table.find(head(b"/api/v1/clients/" + client_id.encode() + b"/deployments"))
        assert isinstance(found, Match)
        assert found.client_id == client_id


def test_r3_match_carries_the_realm_of_its_route() -> None:
    table = RouteTable(
        generic(
            {"path": "/a/{clientId}", "realm": "plant-a"},
            {"path": "/b/{clientId}"},
            realm="plant-b",
        )
    )
    realms = [match.realm for path in (b"/a/dev1", b"/b/dev1") if isinstance(match := table.find(head(path)), Match)]
    assert realms == ["plant-a", "plant-b"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (ID + b"/deployments", ("GET", "HEAD")),
        (ID + b"/capabilities", ("POST", "PUT")),
        (ID + b"/capabilities/gw%2Fchild", ("DELETE", "POST", "PUT")),
        (ID + b"/deployments/a/status", ("POST",)),
        (b"/api/v1/onboarding", ("POST",)),
        (b"/api/v1/onboarding/certificate", ("GET", "HEAD")),
    ],
)
@pytest.mark.parametrize("method", [b"PATCH", b"get", b"OPTIONS"])
def test_wrong_method_is_told_the_right_ones(
    table: RouteTable, path: bytes, allow: tuple[str, ...], method: bytes
) -> None:
    assert table.find(head(path, method)) == Refusal(Reason.REQUEST_METHOD, allow=allow)


def test_status_is_a_status_report_and_no_digest(table: RouteTable) -> None:
    assert table.find(head(ID + b"/deployments/a/status", b"GET")) == Refusal(Reason.REQUEST_METHOD, allow=("POST",))


def test_query_plays_no_part(table: RouteTable) -> None:
    found = table.find(head(ID + b"/deployments?x=/../;%2F%00", b"GET"))
    assert isinstance(found, Match)
    assert found.route == "deployments"


def test_absolute_form_is_routed_by_its_path(table: RouteTable) -> None:
    found = table.find(head(b"https://wfm.example.com" + ID + b"/deployments"))
    assert isinstance(found, Match)
    assert found.client_id == "dev-1"
