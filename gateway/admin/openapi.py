"""The admin API's description of itself: OpenAPI 3.1, written by hand; a test compares it with the router."""

from typing import Final

import gateway
from gateway.admin.inputs import BODY_LIMIT, PAGE, PAGE_LIMIT, STATUSES
from gateway.admin.openapi_schemas import HASH, NAME, REASON, SCHEMAS, TEXT, Json, ref
from gateway.registry.operations import OVERLAP_LIMIT_S


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": ref("schemas", schema)}}


def _ok(description: str, schema: str) -> Json:
    return {"description": description, "content": _json(schema)}


def _operation(name: str, summary: str, answers: Json, *parameters: Json, body: str = "", must: bool = True) -> Json:
    """One operation with a token; all of them can be refused for the same reasons."""
    told: Json = {
        "operationId": name,
        "summary": summary,
        "parameters": [ref("parameters", "realm"), *parameters],
        "responses": {**answers, "default": ref("responses", "Problem")},
    }
    if body:
        told["requestBody"] = {"required": must, "content": _json(body)}
    return told


_DONE: Final = {"200": _ok("Done, or so already.", "Result")}
_CHANGE: Final = {**_DONE, "404": ref("responses", "Problem"), "409": ref("responses", "Problem")}
_ONE: Final = {"404": ref("responses", "Problem")}


def _open(name: str, summary: str, media: str, schema: Json) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "As asked.", "content": {media: {"schema": schema}}},
            "default": ref("responses", "Problem"),
        },
    }


_PAGING: Final = (
    _query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT, "default": PAGE},
        "About so many on one page.",
    ),
    _query("cursor", {"type": "string", "pattern": r"^[0-9]{1,3}\.[0-9]{1,20}$"}, "`next` of the page before."),
)


def _many(name: str, summary: str) -> Json:
    """A bulk operation."""
    return {"post": _operation(name, summary, {"200": _ok("What became of each.", "Results")}, body="Several")}


def _client(path: Json) -> Json:
    return {"parameters": [ref("parameters", "id")], **path}


_PATHS: Final[Json] = {
    "/v1/clients": {
        "get": _operation(
            "listClients",
            "Clients of a realm, removed ones included, in no order, a page at a time. Read on until `next` is null: "
            "a page may be empty before. Who is there all the while comes once at least.",
            {"200": _ok("One page.", "Page")},
            *_PAGING,
            _query("status", {"type": "string", "enum": list(STATUSES)}, "Only these."),
            _query(
                "expiring_s",
                {"type": "integer", "minimum": 1, "maximum": OVERLAP_LIMIT_S},
                "Only active clients whose last certificate ends within so many seconds, or has ended.",
            ),
        ),
        "post": _operation(
            "addClient",
            "Bind a certificate to a client.",
            {"201": _ok("There is a new client.", "Result"), **_DONE, "409": ref("responses", "Problem")},
            body="Addition",
        ),
    },
    "/v1/clients/{id}": _client(
        {
            "get": _operation(
                "showClient", "All that is known of a client.", {"200": _ok("The client.", "Client"), **_ONE}
            ),
            "delete": _operation(
                "removeClient",
                "Remove a client. Its id and its keys stay blocked until they are lifted.",
                _CHANGE,
                _query("reason", REASON, "Why; the history tells it."),
            ),
        }
    ),
    "/v1/clients/{id}/history": _client(
        {
            "get": _operation(
                "clientHistory",
                "Who changed a client, when, and how, oldest first.",
                {"200": _ok("The history.", "History"), **_ONE},
            )
        }
    ),
    "/v1/clients/{id}/revoke": _client(
        {
            "post": _operation(
                "revokeClient",
                "Nothing that the client signs counts any longer, in any worker, within a second.",
                _CHANGE,
                body="Why",
                must=False,
            )
        }
    ),
    "/v1/clients/{id}/retire": _client(
        {"post": _operation("retireClient", "The client did its service.", _CHANGE, body="Why", must=False)}
    ),
    "/v1/clients/{id}/approve": _client(
        {"post": _operation("approveClient", "Let a client in that waits.", _CHANGE, body="Why", must=False)}
    ),
    "/v1/clients/{id}/rotate": _client(
        {
            "post": _operation(
                "rotateClient",
                "Give the client a new certificate; the old one is accepted beside it until the overlap ends.",
                _CHANGE,
                body="NewCertificate",
            )
        }
    ),
    "/v1/bulk/revoke": _many("revokeClients", "Revoke clients. A refused one does not stop the others."),
    "/v1/bulk/retire": _many("retireClients", "Retire clients. A refused one does not stop the others."),
    "/v1/bulk/approve": _many("approveClients", "Let in clients that wait. A refused one does not stop the others."),
    "/v1/bulk/remove": _many("removeClients", "Remove clients. A refused one does not stop the others."),
    "/v1/pins": {
        "get": _operation("listPins", "Pins of a realm, in no order.", {"200": _ok("One page.", "Pins")}, *_PAGING),
        "post": _operation(
            "addPin",
            "Vouch for a certificate or a key, so that its device may onboard.",
            {"201": _ok("There is a new pin.", "PinResult"), "200": _ok("It was pinned already.", "PinResult")},
            body="NewPin",
        ),
    },
    "/v1/pins/{sha256}": {
        "parameters": [{"name": "sha256", "in": "path", "required": True, "schema": HASH}],
        "delete": _operation(
            "removePin",
            "Take a pin back. Who was onboarded by it stays a client.",
            {"200": _ok("It is gone.", "PinResult"), **_ONE},
        ),
    },
    "/livez": {"get": _open("livez", "This process serves.", "text/plain", TEXT)},
    "/openapi.json": {"get": _open("describe", "This description.", "application/json", {"type": "object"})},
}

DOCUMENT: Final[Json] = {
    "openapi": "3.1.0",
    "info": {
        "title": "wfm-gateway admin API",
        "version": gateway.__version__,
        "description": f"Operations on the registry of clients. Bodies are at most {BODY_LIMIT} octets of JSON.",
    },
    "security": [{"token": []}],
    "paths": _PATHS,
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "parameters": {
            "realm": _query("realm", NAME, "Realm of the clients; by default that of the gateway's policy."),
            "id": {"name": "id", "in": "path", "required": True, "schema": NAME},
        },
        "responses": {
            "Problem": {
                "description": "Refused, with the reason (RFC 9457).",
                "content": {"application/problem+json": {"schema": ref("schemas", "Problem")}},
            }
        },
        "schemas": SCHEMAS,
    },
}
