"""The schemas of the admin API's description: what callers send, and what they are told."""

from typing import Any, Final

from gateway.admin.inputs import IDS_LIMIT, STATUSES
from gateway.registry.operations import OVERLAP_LIMIT_S, OVERLAP_S, REASON_LIMIT

Json = dict[str, Any]
NAME: Final = {"type": "string", "pattern": "^[A-Za-z0-9._~=-]{1,128}$"}
_TIME: Final = {"type": "string", "format": "date-time"}
HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TEXT: Final = {"type": "string"}
_NEXT: Final = {"type": ["string", "null"], "description": "`cursor` of the next page; null: this is the last."}
_LABELS: Final = {"type": "object", "additionalProperties": TEXT}
_PEM: Final = {"type": "string", "description": "X.509 certificate: PEM, or base64 of PEM or DER."}
_LIFT: Final = {"type": "boolean", "default": False, "description": "Also take an id or a key that was removed."}


def ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(required: list[str], **properties: Any) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def _closed(required: list[str], **properties: Any) -> Json:
    return {**_object(required, **properties), "additionalProperties": False}


REASON: Final = {"type": "string", "maxLength": REASON_LIMIT}

_CERTIFICATE: Final = _object(
    ["sha256", "spki_sha256", "key_type", "bits", "not_before", "not_after", "added", "retire_after"],
    sha256=HASH,
    spki_sha256={**HASH, "description": "Also the keyid."},
    key_type={"type": "string", "enum": ["p256", "p384", "rsa", "ed25519"]},
    bits={"type": "integer"},
    not_before=_TIME,
    not_after=_TIME,
    added=_TIME,
    retire_after={"type": ["string", "null"], "format": "date-time", "description": "End of an overlap."},
    subject={**TEXT, "description": "Chosen by whoever made the certificate. Not in lists."},
    issuer={**TEXT, "description": "Chosen by whoever made the certificate. Not in lists."},
    pem={**TEXT, "description": "Not in lists."},
)

SCHEMAS: Final[Json] = {
    "Addition": _closed(
        ["id", "certificate"],
        id=NAME,
        certificate=_PEM,
        tenant={**NAME, "description": "Left as it is if there is none."},
        labels={**_LABELS, "description": "Left as they are if there are none."},
        other_key={
            "type": "string",
            "enum": ["refuse", "replace", "beside"],
            "default": "refuse",
            "description": "What to do when the client has another key already.",
        },
        lift=_LIFT,
    ),
    "Why": _closed([], reason=REASON),
    "Several": _closed(
        ["ids"],
        ids={"type": "array", "items": NAME, "minItems": 1, "maxItems": IDS_LIMIT},
        reason=REASON,
    ),
    "NewPin": _closed(
        [],
        sha256={
            **TEXT,
            "description": "Of a certificate or of its SubjectPublicKeyInfo, in hex.",
        },
        certificate={**_PEM, "description": "Instead of sha256: the certificate itself."},
        note=REASON,
    ),
    "NewCertificate": _closed(
        ["certificate"],
        certificate=_PEM,
        overlap_s={"type": "integer", "minimum": 0, "maximum": OVERLAP_LIMIT_S, "default": OVERLAP_S},
        lift=_LIFT,
    ),
    "Result": _object(["id", "realm", "outcome", "message"], id=NAME, realm=NAME, outcome=TEXT, message=TEXT),
    "Results": _object(
        ["realm", "refused", "results"],
        realm=NAME,
        refused={"type": "integer", "description": "How many."},
        results={
            "type": "array",
            "items": {
                "allOf": [
                    ref("schemas", "Result"),
                    _object(["refused"], refused={"type": "boolean", "description": "Nothing was changed."}),
                ]
            },
        },
    ),
    "Certificate": _CERTIFICATE,
    "Client": {
        **_object(
            ["id", "realm", "status", "reason"],
            id=TEXT,
            realm=NAME,
            status={"type": "string", "enum": list(STATUSES)},
            since=_TIME,
            reason=TEXT,
            require_covered_digest={"type": ["boolean", "null"]},
            tenant=TEXT,
            labels=_LABELS,
            certificates={"type": "array", "items": ref("schemas", "Certificate")},
        ),
        "description": "A damaged record has id, realm, status and reason only.",
    },
    "Page": _object(
        ["realm", "clients", "next"],
        realm=NAME,
        clients={"type": "array", "items": ref("schemas", "Client")},
        next=_NEXT,
    ),
    "Pin": _object(
        ["sha256", "realm", "added", "who", "note"], sha256=HASH, realm=NAME, added=_TIME, who=TEXT, note=TEXT
    ),
    "Pins": _object(
        ["realm", "pins", "next"], realm=NAME, pins={"type": "array", "items": ref("schemas", "Pin")}, next=_NEXT
    ),
    "PinResult": _object(["sha256", "realm", "outcome"], sha256=HASH, realm=NAME, outcome=TEXT),
    "Change": _object(
        ["when", "who", "what", "why", "certificate"],
        when=_TIME,
        who=TEXT,
        what=TEXT,
        why=TEXT,
        certificate={"type": ["string", "null"], "description": "SHA-256 of the one that came with the change."},
    ),
    "History": _object(
        ["id", "realm", "complete", "since", "changes"],
        id=NAME,
        realm=NAME,
        complete={"type": "boolean", "description": "False: what came before `since` may be missing."},
        since={"type": ["string", "null"], "format": "date-time"},
        changes={"type": "array", "items": ref("schemas", "Change")},
    ),
    "Problem": _object(
        ["type", "title", "status", "reason"],
        type={"type": "string", "format": "uri"},
        title=TEXT,
        status={"type": "integer"},
        reason={**TEXT, "description": "Stable name, for example `registry.key_taken` or `store.unavailable`."},
        detail=TEXT,
    ),
}
