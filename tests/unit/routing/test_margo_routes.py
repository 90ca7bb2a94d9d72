"""The table of profile `margo` against the list of published routes, where that list is at hand."""

import json
import re
from pathlib import Path

import pytest

from gateway.profiles.margo import ROUTES
from gateway.routing import Match, RouteTable
from tests.unit.routing.heads import head, margo

PUBLISHED = Path(__file__).parents[3].parent / "shared/margo/routes.json"
METHOD = "(?:GET|POST|PUT|DELETE)"
ROUTE = re.compile(rf"\b({METHOD}(?:\|{METHOD})*) (/?(?:api/v1/)?(?:clients|onboarding|auth)\b[\w{{}}/]*)")
VALUES = {"{clientId}": "dev-1", "{deviceId}": "gw/child", "{deploymentId}": "dep-1", "{digest}": "sha256:abc"}


def published() -> set[tuple[str, str]]:
    """Method and path of every route with a client id, and of onboarding, in the era of message signatures."""
    found = set()
    for version, content in json.loads(PUBLISHED.read_text()).items():
        if version == "note" or "rc.3" in version or "MIAF" in version:
            continue
        for methods, path in ROUTE.findall(json.dumps(content)):
            path = "/api/v1/" + path.removeprefix("/").removeprefix("api/v1/")
            found |= {(method, path) for method in methods.split("|")}
    return found


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the list of published routes is not part of the project")
def test_every_published_route_is_known() -> None:
    routes = published()
    assert len(routes) >= 9
    table = RouteTable(margo())
    for method, template in routes:
        path = re.sub(r"\{\w+\}", lambda name: VALUES[name[0]], template)
        found = table.find(head(path.encode(), method.encode()))
        assert isinstance(found, Match), f"{method} {template}"
        assert found.client_id == ("dev-1" if "{clientId}" in template else None)


def test_names_are_unique_and_every_row_says_where_it_comes_from() -> None:
    assert len({row.name for row in ROUTES}) == len(ROUTES)
    assert all(row.versions for row in ROUTES)


def test_only_the_certificate_is_open() -> None:
    assert [row.path for row in ROUTES if row.access == "open"] == ["/api/v1/onboarding/certificate"]
