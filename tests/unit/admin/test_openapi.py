"""The description is whole, speaks of every route and of nothing else, and its schemas fit what the code takes."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.admin import openapi
from gateway.admin.app import Api
from gateway.admin.desk import Desk
from gateway.admin.inputs import Addition, NewCertificate, NewPin, Several, Why
from gateway.clock import SystemClock
from gateway.config import load
from gateway.observe.log import Log
from gateway.registry.store_url import Endpoint
from tests.unit.config.documents import write

DOCUMENT = openapi.DOCUMENT
METHODS = {"get", "post", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & set(item):
            yield path, method, item, item[method]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def followed(reference: str) -> Any:
    found: Any = DOCUMENT
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        found = found[part]
    return found


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = followed(value["$ref"]) if "$ref" in value else value
    return found


def routes(folder: Path) -> set[tuple[str, str]]:
    async def made() -> set[tuple[str, str]]:
        (folder / "token").touch(0o600)
        config = load(write(folder, admin='address = "127.0.0.1:9900"\ntoken_file = "token"'))
        desk, log = Desk(Endpoint(path="/absent"), "test"), Log(level="error")
        api = Api(config, desk, desk, log, SystemClock())
        found = {(route.method.lower(), str(route.resource.canonical)) for route in api.app.router.routes()}  # type: ignore[union-attr]
        await desk.close()
        log.close()
        return found

    return asyncio.run(made())


def test_it_describes_the_routes_and_nothing_else(tmp_path: Path) -> None:
    assert {(method, path) for path, method, _, _ in operations()} == routes(tmp_path)


def test_it_is_json_of_version_3_1() -> None:
    again = json.loads(json.dumps(DOCUMENT))
    assert again == DOCUMENT
    assert again["openapi"].startswith("3.1.")
    assert set(again) <= {"openapi", "info", "servers", "security", "paths", "components", "tags"}
    assert {"title", "version"} <= set(again["info"])


def test_every_reference_leads_somewhere_and_everything_is_used() -> None:
    used = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    there = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert used == there
    for reference in used:
        assert isinstance(followed(reference), dict)


def test_operations_are_whole() -> None:
    names = [operation["operationId"] for _, _, _, operation in operations()]
    assert len(set(names)) == len(names)
    for path, _, item, operation in operations():
        assert operation["summary"]
        declared = [resolved(one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
        in_path = {one["name"] for one in declared if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert all(one["required"] for one in declared if one["in"] == "path")
        assert "default" in operation["responses"]
        for code, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5][0-9][0-9]|default", code)
            assert resolved(response)["description"]
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["schema"]


def test_only_what_tells_nothing_is_open() -> None:
    assert DOCUMENT["security"] == [{"token": []}]
    assert {path for path, _, _, one in operations() if one.get("security") == []} == {"/livez", "/openapi.json"}


@pytest.mark.parametrize("kind", [Addition, Why, NewCertificate, Several, NewPin])
def test_bodies_are_those_that_the_code_takes(kind: type[msgspec.Struct]) -> None:
    schema = DOCUMENT["components"]["schemas"][kind.__name__]
    assert schema["additionalProperties"] is False
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert set(schema["properties"]) == set(fields)
    assert set(schema["required"]) == {name for name, field in fields.items() if field.required}
    for name, told in schema["properties"].items():
        if "default" in told:
            assert told["default"] == fields[name].default
