"""The admin API's description of itself: OpenAPI 3.1, written by hand; a test compares it with the router."""

from typing import Any, Final

import gateway
from gateway.admin.inputs import BODY_LIMIT, PAGE, PAGE_LIMIT, STATUSES
from gateway.registry.operations import OVERLAP_LIMIT_S, OVERLAP_S, REASON_LIMIT

_Json = dict[str, Any]
_NAME: Final = {"type": "string", "pattern": "^[A-Za-z0-9._~=-]{1,128}$"}
_TIME: Final = {"type": "string", "format": "date-time"}
_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_TEXT: Final = {"type": "string"}
_PEM: Final = {"type": "string", "description": "X.509 certificate: PEM, or base64 of PEM or DER."}
_LIFT: Final = {"type": "boolean", "default": False, "description": "Also take an id or a key that was removed."}


def _ref(kind: str, name: str) -> _Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(required: list[str], **properties: Any) -> _Json:
    return {"type": "object", "required": required, "properties": properties}


def _closed(required: list[str], **properties: Any) -> _Json:
    return {**_object(required, **properties), "additionalProperties": False}


def _query(name: str, schema: _Json, description: str) -> _Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _json(schema: str) -> _Json:
    return {"application/json": {"schema": _ref("schemas", schema)}}


def _ok(description: str, schema: str) -> _Json:
    return {"description": description, "content": _json(schema)}


def _operation(name: str, summary: str, answers: _Json, *parameters: _Json, body: str = "", must: bool = True) -> _Json:
    """One operation with a token; all of them can be refused for the same reasons."""
    told: _Json = {
        "operationId": name,
        "summary": summary,
        "parameters": [_ref("parameters", "realm"), *parameters],
        "responses": {**answers, "default": _ref("responses", "Problem")},
    }
    if body:
        told["requestBody"] = {"required": must, "content": _json(body)}
    return told


_REASON: Final = {"type": "string", "maxLength": REASON_LIMIT}
_DONE: Final = {"200": _ok("Done, or so already.", "Result")}
_CHANGE: Final = {**_DONE, "404": _ref("responses", "Problem"), "409": _ref("responses", "Problem")}
_ONE: Final = {"404": _ref("responses", "Problem")}


def _open(name: str, summary: str, media: str, schema: _Json) -> _Json:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "As asked.", "content": {media: {"schema": schema}}},
            "default": _ref("responses", "Problem"),
        },
    }


def _metrics() -> _Json:
    found = _open("metrics", "Certificates near their end, for Prometheus.", "text/plain", _TEXT)
    del found["security"]
    return found


def _client(path: _Json) -> _Json:
    return {"parameters": [_ref("parameters", "id")], **path}


_PATHS: Final[_Json] = {
    "/v1/clients": {
        "get": _operation(
            "listClients",
            "Clients of a realm by id, removed ones included, a page at a time.",
            {"200": _ok("One page.", "Page")},
            _query("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT, "default": PAGE}, "Of one page."),
            _query("after", _NAME, "`next` of the page before."),
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
            {"201": _ok("There is a new client.", "Result"), **_DONE, "409": _ref("responses", "Problem")},
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
                _query("reason", _REASON, "Why; the history tells it."),
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
    "/metrics": {"get": _metrics()},
    "/livez": {"get": _open("livez", "This process serves.", "text/plain", _TEXT)},
    "/openapi.json": {"get": _open("describe", "This description.", "application/json", {"type": "object"})},
}

_CERTIFICATE: Final = _object(
    ["sha256", "spki_sha256", "key_type", "bits", "not_before", "not_after", "added", "retire_after"],
    sha256=_HASH,
    spki_sha256={**_HASH, "description": "Also the keyid."},
    key_type={"type": "string", "enum": ["p256", "p384", "rsa", "ed25519"]},
    bits={"type": "integer"},
    not_before=_TIME,
    not_after=_TIME,
    added=_TIME,
    retire_after={"type": ["string", "null"], "format": "date-time", "description": "End of an overlap."},
    subject={**_TEXT, "description": "Chosen by whoever made the certificate. Not in lists."},
    issuer={**_TEXT, "description": "Chosen by whoever made the certificate. Not in lists."},
    pem={**_TEXT, "description": "Not in lists."},
)

_SCHEMAS: Final[_Json] = {
    "Addition": _closed(
        ["id", "certificate"],
        id=_NAME,
        certificate=_PEM,
        other_key={
            "type": "string",
            "enum": ["refuse", "replace", "beside"],
            "default": "refuse",
            "description": "What to do when the client has another key already.",
        },
        lift=_LIFT,
    ),
    "Why": _closed([], reason=_REASON),
    "NewCertificate": _closed(
        ["certificate"],
        certificate=_PEM,
        overlap_s={"type": "integer", "minimum": 0, "maximum": OVERLAP_LIMIT_S, "default": OVERLAP_S},
        lift=_LIFT,
    ),
    "Result": _object(["id", "realm", "outcome", "message"], id=_NAME, realm=_NAME, outcome=_TEXT, message=_TEXT),
    "Certificate": _CERTIFICATE,
    "Client": {
        **_object(
            ["id", "realm", "status", "reason"],
            id=_TEXT,
            realm=_NAME,
            status={"type": "string", "enum": list(STATUSES)},
            since=_TIME,
            reason=_TEXT,
            require_covered_digest={"type": ["boolean", "null"]},
            tenant=_TEXT,
            labels={"type": "object", "additionalProperties": _TEXT},
            certificates={"type": "array", "items": _ref("schemas", "Certificate")},
        ),
        "description": "A damaged record has id, realm, status and reason only.",
    },
    "Page": _object(
        ["realm", "clients", "next"],
        realm=_NAME,
        clients={"type": "array", "items": _ref("schemas", "Client")},
        next={"type": ["string", "null"], "description": "`after` of the next page; null: this is the last."},
    ),
    "Change": _object(
        ["when", "who", "what", "why", "certificate"],
        when=_TIME,
        who=_TEXT,
        what=_TEXT,
        why=_TEXT,
        certificate={"type": ["string", "null"], "description": "SHA-256 of the one that came with the change."},
    ),
    "History": _object(
        ["id", "realm", "complete", "since", "changes"],
        id=_NAME,
        realm=_NAME,
        complete={"type": "boolean", "description": "False: what came before `since` may be missing."},
        since={"type": ["string", "null"], "format": "date-time"},
        changes={"type": "array", "items": _ref("schemas", "Change")},
    ),
    "Problem": _object(
        ["type", "title", "status", "reason"],
        type={"type": "string", "format": "uri"},
        title=_TEXT,
        status={"type": "integer"},
        reason={**_TEXT, "description": "Stable name, for example `registry.key_taken` or `store.unavailable`."},
        detail=_TEXT,
    ),
}

DOCUMENT: Final[_Json] = {
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
            "realm": _query("realm", _NAME, "Realm of the clients; by default that of the gateway's policy."),
            "id": {"name": "id", "in": "path", "required": True, "schema": _NAME},
        },
        "responses": {
            "Problem": {
                "description": "Refused, with the reason (RFC 9457).",
                "content": {"application/problem+json": {"schema": _ref("schemas", "Problem")}},
            }
        },
        "schemas": _SCHEMAS,
    },
}
