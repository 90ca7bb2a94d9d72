"""The closed list of reasons for which a request or a start is refused, one row each (RFC 9457 facts included)."""

from enum import StrEnum
from typing import Final

import msgspec

MARGO: Final = "https://docs.margo.org/specification/problems/"
OURS: Final = "urn:wfm-gateway:problem:"
BLANK: Final = "about:blank"


class Reason(StrEnum):
    """Stable name of one refusal: `family.cause`. Names are never reused for another meaning.

    The family says who is to blame: `request signature digest key trust onboarding policy replay limit` the client,
    `store upstream internal` us or what stands behind us, `config` the operator.
    """

    REQUEST_LINE = "request.bad_request_line"
    REQUEST_TARGET = "request.bad_target"
    REQUEST_FIELD = "request.bad_field"
    REQUEST_FRAMING = "request.bad_framing"
    REQUEST_CHUNK = "request.bad_chunk"
    REQUEST_HOST = "request.bad_host"
    REQUEST_VERSION = "request.bad_version"
    REQUEST_HEAD_SIZE = "request.head_too_large"
    REQUEST_FIELD_COUNT = "request.too_many_fields"
    REQUEST_PATH = "request.ambiguous_path"
    REQUEST_NO_ROUTE = "request.no_route"
    REQUEST_METHOD = "request.method_not_allowed"
    REQUEST_ROUTE_OFF = "request.route_off"
    REQUEST_CLIENT_ID = "request.bad_client_id"
    REQUEST_PROXY_FIELDS = "request.ambiguous_proxy_fields"
    REQUEST_RESERVED = "request.reserved_name"
    REQUEST_UPGRADE = "request.upgrade_refused"
    REQUEST_EXPECT = "request.expectation_failed"
    REQUEST_BODY_SIZE = "request.body_too_large"
    REQUEST_HEAD_TIMEOUT = "request.head_timeout"
    REQUEST_BODY_TIMEOUT = "request.body_timeout"
    REQUEST_BODY_INCOMPLETE = "request.body_incomplete"

    SIGNATURE_MISSING = "signature.missing"
    SIGNATURE_INPUT = "signature.malformed_input"
    SIGNATURE_VALUE = "signature.malformed_value"
    SIGNATURE_LABELS = "signature.label_mismatch"
    SIGNATURE_DUPLICATE_LABEL = "signature.duplicate_label"
    SIGNATURE_TOO_MANY_LABELS = "signature.too_many_labels"
    SIGNATURE_TOO_MANY_COMPONENTS = "signature.too_many_components"
    SIGNATURE_EMPTY = "signature.empty_coverage"
    SIGNATURE_DUPLICATE_COMPONENT = "signature.duplicate_component"
    SIGNATURE_COMPONENT_CASE = "signature.component_case"
    SIGNATURE_COMPONENT_NAME = "signature.unknown_component"
    SIGNATURE_COMPONENT_PARAMETER = "signature.unknown_component_parameter"
    SIGNATURE_COMPONENT_PARAMETER_USE = "signature.bad_component_parameter"
    SIGNATURE_REQ = "signature.request_component"
    SIGNATURE_TR = "signature.trailer_component"
    SIGNATURE_COMPONENT_ABSENT = "signature.component_missing"
    SIGNATURE_COMPONENT_VALUE = "signature.component_value"
    SIGNATURE_DUPLICATE_PARAMETER = "signature.duplicate_parameter"
    SIGNATURE_PARAMETER = "signature.bad_parameter"
    SIGNATURE_ALGORITHM = "signature.unsupported_algorithm"
    SIGNATURE_ALGORITHM_KEY = "signature.algorithm_mismatch"
    SIGNATURE_LENGTH = "signature.bad_length"
    SIGNATURE_RANGE = "signature.out_of_range"
    SIGNATURE_WRONG = "signature.wrong"
    SIGNATURE_POSSESSION = "signature.no_possession"

    DIGEST_MISSING = "digest.missing"
    DIGEST_MALFORMED = "digest.malformed"
    DIGEST_UNKNOWN = "digest.no_known_algorithm"
    DIGEST_MISMATCH = "digest.mismatch"
    DIGEST_NOT_COVERED = "digest.not_covered"
    DIGEST_UNCHECKED = "digest.unchecked"

    KEY_UNKNOWN = "key.unknown_client"
    KEY_NOT_YET_VALID = "key.not_yet_valid"
    KEY_EXPIRED = "key.expired"
    KEY_REVOKED = "key.revoked"
    KEY_RETIRED = "key.retired"
    KEY_PENDING = "key.pending"
    KEY_REMOVED = "key.removed"
    KEY_ID = "key.keyid_mismatch"
    KEY_TAKEN = "key.taken"
    KEY_TOO_MANY = "key.too_many_certificates"

    TRUST_UNTRUSTED = "trust.untrusted"
    TRUST_NOT_YET_VALID = "trust.not_yet_valid"
    TRUST_EXPIRED = "trust.expired"
    TRUST_REVOKED = "trust.revoked"
    TRUST_WEAK_KEY = "trust.weak_key"
    TRUST_CHAIN = "trust.bad_chain"
    TRUST_USAGE = "trust.wrong_usage"
    TRUST_STALE_CRL = "trust.stale_crl"
    TRUST_RATE = "trust.tofu_rate"
    TRUST_FULL = "trust.tofu_full"

    ONBOARDING_BODY = "onboarding.bad_body"
    ONBOARDING_CERTIFICATE = "onboarding.bad_certificate"
    ONBOARDING_ID_TAKEN = "onboarding.id_taken"
    ONBOARDING_CONFLICT = "onboarding.backend_conflict"

    POLICY_NOT_COVERED = "policy.not_covered"
    POLICY_NO_CREATED = "policy.created_missing"
    POLICY_TOO_OLD = "policy.too_old"
    POLICY_FUTURE = "policy.from_future"
    POLICY_EXPIRED = "policy.expired"
    POLICY_ALGORITHM = "policy.algorithm_refused"

    REPLAY_SEEN = "replay.seen"

    LIMIT_CLIENT = "limit.client"
    LIMIT_TENANT = "limit.tenant"
    LIMIT_ADDRESS = "limit.address"
    LIMIT_SIGNATURES = "limit.bad_signatures"

    STORE_UNAVAILABLE = "store.unavailable"
    STORE_TIMEOUT = "store.timeout"
    STORE_FULL = "store.full"
    STORE_ANSWER = "store.bad_answer"
    STORE_LOST_MEMORY = "store.lost_memory"

    UPSTREAM_UNREACHABLE = "upstream.unreachable"
    UPSTREAM_TIMEOUT = "upstream.timeout"
    UPSTREAM_ANSWER = "upstream.bad_answer"
    UPSTREAM_DOWN = "upstream.down"
    UPSTREAM_BUSY = "upstream.busy"
    UPSTREAM_ORIGIN = "upstream.origin_unavailable"

    INTERNAL_ERROR = "internal.error"
    INTERNAL_SPOOL = "internal.spool_full"
    INTERNAL_DRAINING = "internal.draining"
    INTERNAL_BUSY = "internal.onboarding_busy"
    INTERNAL_OVERLOADED = "internal.overloaded"

    CONFIG_INVALID = "config.invalid"
    CONFIG_UNREADABLE = "config.unreadable"
    CONFIG_AUTHORITY = "config.no_authority"
    CONFIG_UNSAFE = "config.unsafe"
    CONFIG_LISTEN = "config.cannot_listen"
    CONFIG_STORE = "config.store_unreachable"
    CONFIG_NATIVE = "config.native_module"


class Row(msgspec.Struct, frozen=True, gc=False):
    """What follows from one reason: HTTP `status` (0 for `config.*`), problem `type`, `level` of its log line
    (info, warning, error), one `sentence` for the device's developer, one `remedy` for the operator."""

    status: int
    type: str
    level: str
    sentence: str
    remedy: str
    retryable: bool = False
    retry_after_s: int | None = None


def _row(status: int, type_: str, level: str, sentence: str, remedy: str, retry_after_s: int | None = None) -> Row:
    return Row(status, type_, level, sentence, remedy, retry_after_s is not None, retry_after_s)


_SIGNATURE: Final = MARGO + "signature-verification-failed"
_DIGEST: Final = MARGO + "invalid-digest-header"
_REQUEST: Final = MARGO + "invalid-request"
_TRUST: Final = MARGO + "certificate-not-trusted"
R = Reason

TABLE: Final[dict[Reason, Row]] = {
    R.REQUEST_LINE: _row(400, _REQUEST, "info", "The request line is not that of an HTTP/1.1 request.", "Look at what the hop in front of the gateway sends: it must speak HTTP/1.1."),
    R.REQUEST_TARGET: _row(400, _REQUEST, "info", "The request target is not an origin-form or absolute-form target in ASCII.", "CONNECT, `OPTIONS *`, fragments and raw non-ASCII targets are never forwarded."),
    R.REQUEST_FIELD: _row(400, _REQUEST, "info", "A header field is malformed: name, colon, line ending or a control character.", "Bare CR or LF, folded lines and white space before the colon are refused because two parsers read them differently."),
    R.REQUEST_FRAMING: _row(400, _REQUEST, "warning", "Content-Length and Transfer-Encoding do not agree on one length.", "Somebody may be trying to smuggle a request; look at the sender and at the hop in front of the gateway."),
    R.REQUEST_CHUNK: _row(400, _REQUEST, "warning", "The chunked body is malformed.", "Look at the sender and at the hop in front of the gateway."),
    R.REQUEST_HOST: _row(400, _REQUEST, "info", "There must be exactly one valid Host field, and it must agree with the target.", "Let the load balancer send one Host field."),
    R.REQUEST_VERSION: _row(400, _REQUEST, "info", "Only HTTP/1.1 is served here (HTTP/1.0 without Transfer-Encoding).", "HTTP/2 ends at the load balancer; towards the gateway it must use HTTP/1.1."),
    R.REQUEST_HEAD_SIZE: _row(431, OURS + "request.head_too_large", "info", "The head of the request is larger than 32 KiB.", "No Margo device needs that much; look at cookies or trace fields added on the way."),
    R.REQUEST_FIELD_COUNT: _row(431, OURS + "request.too_many_fields", "info", "The head has more than 100 fields.", "Look at what the hops on the way add."),
    R.REQUEST_PATH: _row(400, _REQUEST, "warning", "The path can be read in two ways (dot segment, empty segment, or an escaped delimiter).", "Send the path in its plain form; profile `generic` can relax some of this per route."),
    R.REQUEST_NO_ROUTE: _row(404, BLANK, "info", "No route of this gateway matches the path.", "Check `policy.base_path` and the profile; `wfm-gateway check` prints the routes."),
    R.REQUEST_METHOD: _row(405, OURS + "request.method_not_allowed", "info", "The route does not take this method.", "The Allow field of the answer lists the methods."),
    R.REQUEST_ROUTE_OFF: _row(404, BLANK, "info", "This route is switched off.", "Onboarding through the gateway is off unless it is configured."),
    R.REQUEST_CLIENT_ID: _row(400, _REQUEST, "info", "The client id is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ = -.", "Ids are compared literally, so escaped or longer ones cannot be valid."),
    R.REQUEST_PROXY_FIELDS: _row(400, _REQUEST, "warning", "Forwarded and X-Forwarded-* do not name one host and one scheme.", "Let one hop set them, once, overwriting what the client sent."),
    R.REQUEST_RESERVED: _row(400, _REQUEST, "warning", "A field name is reserved for the gateway (Wfm-*).", "Somebody may be trying to pass as a verified device; look at the sender."),
    R.REQUEST_UPGRADE: _row(400, _REQUEST, "info", "Protocol upgrades are not forwarded.", "Switch off h2c or WebSocket upgrades towards the gateway."),
    R.REQUEST_EXPECT: _row(417, OURS + "request.expectation_failed", "info", "The only expectation that can be met is 100-continue.", "Look at the Expect field that the client sends."),
    R.REQUEST_BODY_SIZE: _row(413, OURS + "request.body_too_large", "info", "The body is larger than this gateway takes.", "Raise `policy.body_limit_bytes` if devices need it."),
    R.REQUEST_HEAD_TIMEOUT: _row(408, OURS + "request.head_timeout", "info", "The head of the request did not arrive in time.", "Slow or hostile sender; see `limits.head_timeout_s`."),
    R.REQUEST_BODY_TIMEOUT: _row(408, OURS + "request.body_timeout", "info", "The body of the request stopped arriving.", "Slow network or hostile sender; see `limits.body_timeout_s`."),
    R.REQUEST_BODY_INCOMPLETE: _row(400, _REQUEST, "info", "The connection ended before the body did.", "The device or a hop on the way gave up."),
    R.SIGNATURE_MISSING: _row(401, _SIGNATURE, "info", "There is no Signature-Input with a Signature field beside it.", "The device does not sign, or a hop on the way removed the fields."),
    R.SIGNATURE_INPUT: _row(401, _SIGNATURE, "info", "Signature-Input is not a structured dictionary of inner lists.", "RFC 9421 section 4.1 and RFC 9651 give the form; `wfm-gateway explain` shows where it breaks."),
    R.SIGNATURE_VALUE: _row(401, _SIGNATURE, "info", "Signature is not a structured dictionary of byte sequences (`label=:base64:`).", "The colons around the base64 text are part of the syntax."),
    R.SIGNATURE_LABELS: _row(401, _SIGNATURE, "info", "Signature-Input and Signature do not have the same labels.", "Each label must stand in both fields."),
    R.SIGNATURE_DUPLICATE_LABEL: _row(401, _SIGNATURE, "warning", "A signature label stands twice.", "Two readers could pick different ones; let the sender use one label per signature."),
    R.SIGNATURE_TOO_MANY_LABELS: _row(401, _SIGNATURE, "warning", "There are more than 8 signatures.", "Bounded before authentication; look at the sender."),
    R.SIGNATURE_TOO_MANY_COMPONENTS: _row(401, _SIGNATURE, "warning", "A signature covers more than 32 components.", "Bounded before authentication; look at the sender."),
    R.SIGNATURE_EMPTY: _row(401, _SIGNATURE, "warning", "The signature covers nothing.", "An empty component list proves nothing about the request and is never accepted."),
    R.SIGNATURE_DUPLICATE_COMPONENT: _row(401, _SIGNATURE, "info", "A component is covered twice.", "RFC 9421 section 2: each component identifier occurs once."),
    R.SIGNATURE_COMPONENT_CASE: _row(401, _SIGNATURE, "info", "A component name has upper-case letters.", "RFC 9421 wants lower case; for devices that sign \"Content-Digest\" set `policy.capital_content_digest = true`."),
    R.SIGNATURE_COMPONENT_NAME: _row(401, _SIGNATURE, "info", "A derived component is not one that a request can have.", "RFC 9421 section 2.2 lists them."),
    R.SIGNATURE_COMPONENT_PARAMETER: _row(401, _SIGNATURE, "info", "A component has a parameter that RFC 9421 does not define.", "Known are sf, key, bs, req, tr and name."),
    R.SIGNATURE_COMPONENT_PARAMETER_USE: _row(401, _SIGNATURE, "info", "A component parameter does not fit its component.", "For example bs together with sf, sf on a field of unknown type, or @query-param without name."),
    R.SIGNATURE_REQ: _row(401, _SIGNATURE, "info", "The parameter req is for responses only.", "RFC 9421 section 2.4."),
    R.SIGNATURE_TR: _row(401, _SIGNATURE, "info", "Trailers are dropped here, so they cannot be covered.", "Sign header fields only."),
    R.SIGNATURE_COMPONENT_ABSENT: _row(401, _SIGNATURE, "info", "A covered field or query parameter is not in the request.", "A hop on the way may have removed it."),
    R.SIGNATURE_COMPONENT_VALUE: _row(401, _SIGNATURE, "info", "A covered component has no single canonical value.", "For example a query parameter that stands twice, or sf on a field that is not a structured field."),
    R.SIGNATURE_DUPLICATE_PARAMETER: _row(401, _SIGNATURE, "info", "A signature or component parameter stands twice.", "Two readers could pick different ones."),
    R.SIGNATURE_PARAMETER: _row(401, _SIGNATURE, "info", "A signature parameter has the wrong type (created and expires are integers, the others strings).", "RFC 9421 section 2.3."),
    R.SIGNATURE_ALGORITHM: _row(401, _SIGNATURE, "info", "The alg parameter names an algorithm that is not supported.", "See the list of algorithms in the README."),
    R.SIGNATURE_ALGORITHM_KEY: _row(401, _SIGNATURE, "warning", "The alg parameter does not fit the device's key.", "The registered certificate has another key type than the device thinks."),
    R.SIGNATURE_LENGTH: _row(401, _SIGNATURE, "info", "The signature has the wrong length for the device's key.", "ECDSA signatures are r and s side by side (64 or 96 bytes), not DER."),
    R.SIGNATURE_RANGE: _row(401, _SIGNATURE, "warning", "The signature's r or s is outside of 1 to n-1.", "No honest signer makes such a value."),
    R.SIGNATURE_WRONG: _row(401, _SIGNATURE, "info", "The signature does not match the request and the device's certificate.", "`wfm-gateway explain` prints the signature base to compare with the device's."),
    R.SIGNATURE_POSSESSION: _row(401, _SIGNATURE, "warning", "The rotation is not signed by the new key, or not over the components that the old key signs.", "One signature of the new key with `tag=\"wfm-rotate\"` stands beside one of the old key."),
    R.DIGEST_MISSING: _row(400, _DIGEST, "info", "The request has a body but no Content-Digest.", "The device must send `Content-Digest: sha-256=:...:` (RFC 9530)."),
    R.DIGEST_MALFORMED: _row(400, _DIGEST, "info", "Content-Digest is not a structured dictionary of byte sequences.", "The form is `sha-256=:base64:`; each algorithm stands once."),
    R.DIGEST_UNKNOWN: _row(400, _DIGEST, "info", "Content-Digest has neither sha-256 nor sha-512.", "Other algorithms are deprecated by RFC 9530 or unknown."),
    R.DIGEST_MISMATCH: _row(400, _DIGEST, "warning", "The body is not the one that Content-Digest describes.", "The body was changed on the way, recoded by a proxy, or hashed in another form by the device."),
    R.DIGEST_NOT_COVERED: _row(400, _DIGEST, "info", "The signature does not cover Content-Digest, so nothing protects the body.", "For devices of before February 2026 set `require_covered_digest = false` for that client."),
    R.DIGEST_UNCHECKED: _row(403, OURS + "digest.unchecked", "info", "The request may have a body, and only its head is seen here.", "Let the gateway forward the requests itself, or set `verify.allow_unchecked_body` and let the backend compare Content-Digest."),
    R.KEY_UNKNOWN: _row(404, MARGO + "invalid-client", "info", "There is no client with this id.", "`wfm-gateway clients list` shows who is known; `clients add` registers a certificate."),
    R.KEY_NOT_YET_VALID: _row(403, _TRUST, "info", "The client's certificate is not valid yet.", "Check the clocks of the device and of whoever issued the certificate."),
    R.KEY_EXPIRED: _row(403, _TRUST, "warning", "The client's certificate has expired.", "Register a new certificate for the client."),
    R.KEY_REVOKED: _row(403, _TRUST, "warning", "The client's certificate is revoked.", "`wfm-gateway clients show` tells since when."),
    R.KEY_RETIRED: _row(403, _TRUST, "info", "The client is retired.", "`wfm-gateway clients show` tells since when."),
    R.KEY_PENDING: _row(403, OURS + "key.pending", "info", "The client waits for an operator's approval.", "Approve or revoke the client.", 60),
    R.KEY_REMOVED: _row(403, _TRUST, "info", "The client was removed by an operator.", "A removed id stays blocked until an operator registers it again with `--lift`."),
    R.KEY_ID: _row(401, _SIGNATURE, "info", "The keyid is not that of any of the client's certificates.", "`wfm-gateway explain --keyid-of CERT` prints the expected value; `policy.keyid` decides if it matters."),
    R.KEY_TAKEN: _row(409, OURS + "key.taken", "warning", "The key belongs to another client.", "One key, one client: give the device a key of its own, or remove the other client."),
    R.KEY_TOO_MANY: _row(409, OURS + "key.too_many_certificates", "warning", "The client has as many certificates as it may have.", "Wait until an old one retires, or retire one with `wfm-gateway clients rotate ID --overlap 0s`."),
    R.TRUST_UNTRUSTED: _row(403, _TRUST, "warning", "Nobody vouches for the certificate.", "Pin it with `wfm-gateway clients pin`, or name its authority in `[[onboarding.ca]]`."),
    R.TRUST_NOT_YET_VALID: _row(403, _TRUST, "info", "The certificate is not valid yet.", "Check the clocks of the device and of whoever issued the certificate."),
    R.TRUST_EXPIRED: _row(403, _TRUST, "warning", "The certificate has expired.", "The device needs a new certificate."),
    R.TRUST_REVOKED: _row(403, _TRUST, "warning", "The certificate is revoked by its authority.", "The revocation list of the authority holds its serial number; the device needs a new certificate."),
    R.TRUST_WEAK_KEY: _row(403, _TRUST, "warning", "The key of the certificate is weak, of an unsupported kind, or in an unusual encoding.", "P-256, P-384, Ed25519 and RSA of 2048 to 8192 bits are taken."),
    R.TRUST_CHAIN: _row(403, _TRUST, "warning", "The certificate names a configured authority, but no valid path leads there.", "The log line says which step fails; intermediate certificates belong into the file of `[[onboarding.ca]]`."),
    R.TRUST_USAGE: _row(403, _TRUST, "warning", "The certificate is not one to sign requests with.", "It is that of an authority, or its key usage excludes signatures or clients."),
    R.TRUST_STALE_CRL: _row(403, OURS + "trust.stale_crl", "error", "Whether the certificate is revoked is not known at the moment.", "The authority's revocation list is missing or past its nextUpdate; `onboarding.stale_crl` says what follows from that.", 60),
    R.TRUST_RATE: _row(429, BLANK, "warning", "Too many devices make their first contact at once.", "See `onboarding.tofu_per_minute`.", 60),
    R.TRUST_FULL: _row(403, _TRUST, "warning", "No more devices are accepted on first contact.", "See `onboarding.tofu_clients`."),
    R.ONBOARDING_BODY: _row(400, _REQUEST, "info", "The body is not one JSON object with one certificate, each member named once.", "The member is `certificate` (older: `public_certificate`); nothing else may stand behind the object."),
    R.ONBOARDING_CERTIFICATE: _row(400, MARGO + "invalid-certificate-format", "info", "The certificate is not exactly one X.509 certificate as base64 of DER, base64 of PEM, or PEM.", "Only the device's own certificate is sent, without its chain and without text around it."),
    R.ONBOARDING_ID_TAKEN: _row(409, OURS + "onboarding.id_taken", "error", "The WFM assigned a client id that belongs to another key.", "Nothing was recorded. Look at the WFM; if the device got a new key on purpose, `wfm-gateway clients rotate` binds it."),
    R.ONBOARDING_CONFLICT: _row(409, OURS + "onboarding.backend_conflict", "error", "The WFM knows this certificate already, and the gateway does not know under which id.", "Find the id in the WFM, then repair with `wfm-gateway clients add --id ID --cert FILE`; or remove the device from the WFM."),
    R.POLICY_NOT_COVERED: _row(401, _SIGNATURE, "info", "The signature does not cover a component that is required.", "The Accept-Signature field of the answer says what is wanted."),
    R.POLICY_NO_CREATED: _row(401, _SIGNATURE, "info", "The signature has no created parameter.", "Without it a replay cannot be bounded."),
    R.POLICY_TOO_OLD: _row(401, _SIGNATURE, "info", "The signature was created too long ago.", "Check the device's clock; `policy.max_age_s` and `clock_skew_s` set the window."),
    R.POLICY_FUTURE: _row(401, _SIGNATURE, "info", "The signature was created in the future.", "Check the device's clock; `policy.clock_skew_s` sets the tolerance."),
    R.POLICY_EXPIRED: _row(401, _SIGNATURE, "info", "The signature's own expires has passed.", "Check the device's clock, and how long the request was queued."),
    R.POLICY_ALGORITHM: _row(401, _SIGNATURE, "info", "The configuration does not allow this algorithm.", "See `policy.algorithms`."),
    R.REPLAY_SEEN: _row(401, _SIGNATURE, "warning", "This signed request was seen before.", "A retry must be signed again; a copy by somebody else is an attack."),
    R.LIMIT_CLIENT: _row(429, BLANK, "warning", "This client sends too many requests.", "See `rate.per_client`; the request may come again as it is.", 1),
    R.LIMIT_TENANT: _row(429, BLANK, "warning", "The clients of this tenant send too many requests.", "See `rate.per_tenant`; the request may come again as it is.", 1),
    R.LIMIT_ADDRESS: _row(429, BLANK, "warning", "Too many requests come from this address.", "See `rate.per_address`; if it is a load balancer's address, `listen.trusted_proxies` lacks it.", 1),
    R.LIMIT_SIGNATURES: _row(429, BLANK, "warning", "Too many signatures from this address did not hold.", "The lines with `signature.wrong` from that address say whose; see `rate.bad_signatures_per_address`.", 1),
    R.STORE_UNAVAILABLE: _row(503, BLANK, "error", "The gateway cannot reach its store.", "Look at the store; devices are told to retry.", 5),
    R.STORE_TIMEOUT: _row(503, BLANK, "error", "The gateway's store does not answer in time.", "Look at the store's load and latency.", 5),
    R.STORE_FULL: _row(503, BLANK, "error", "The gateway's store is full.", "Give the store more memory; `wfm-gateway check` prints what the replay window needs.", 30),
    R.STORE_ANSWER: _row(503, BLANK, "error", "The gateway's store gave an answer that does not fit the question.", "Something between gateway and store mixes up replies, or the record is damaged.", 5),
    R.STORE_LOST_MEMORY: _row(503, BLANK, "warning", "The replay window was lost; sign the request again.", "The store restarted without its data; signatures made before that are refused once.", 1),
    R.UPSTREAM_UNREACHABLE: _row(502, OURS + "upstream.unreachable", "error", "The WFM behind the gateway cannot be reached.", "Look at `upstream.url` and at the backend.", 5),
    R.UPSTREAM_TIMEOUT: _row(504, OURS + "upstream.timeout", "error", "The WFM behind the gateway does not answer in time.", "Look at the backend; `upstream.response_timeout_s` sets the limit.", 5),
    R.UPSTREAM_ANSWER: _row(502, OURS + "upstream.bad_answer", "error", "The WFM behind the gateway gave an answer that is not HTTP.", "Look at the backend.", 5),
    R.UPSTREAM_DOWN: _row(503, OURS + "upstream.down", "error", "No server of the WFM behind the gateway is up.", "Look at the servers; the log line says why each was taken out, `upstream.check` how they are checked.", 5),
    R.UPSTREAM_BUSY: _row(503, OURS + "upstream.busy", "warning", "The WFM behind the gateway has as many requests as it may have.", "See `upstream.max_requests` and `upstream.max_waiting`.", 2),
    R.UPSTREAM_ORIGIN: _row(503, BLANK, "error", "The WFM cannot be asked for the client's certificate at the moment.", "Look at `registry.origin` and its answer; the log line says what was wrong with it.", 5),
    R.INTERNAL_ERROR: _row(500, BLANK, "error", "The gateway failed; the request was not judged.", "This is a defect: please report the log line.", 5),
    R.INTERNAL_SPOOL: _row(503, BLANK, "error", "The gateway has no room for more large bodies at the moment.", "See `limits.spool_total_bytes`.", 5),
    R.INTERNAL_DRAINING: _row(503, BLANK, "info", "The gateway is shutting down.", "The load balancer should have taken it out already.", 1),
    R.INTERNAL_BUSY: _row(503, BLANK, "warning", "Too many devices are being onboarded, or this one is at this moment.", "It passes by itself; a device's second request waits until the first is answered.", 5),
    R.INTERNAL_OVERLOADED: _row(503, BLANK, "warning", "The gateway has as many requests under way as it may have.", "See `limits.in_flight`; if the backend is slow, that is where they wait.", 1),
    R.CONFIG_INVALID: _row(0, "", "error", "The configuration is not valid.", "The message names the key."),
    R.CONFIG_UNREADABLE: _row(0, "", "error", "A file that the configuration or the command names cannot be read.", "The message names the file."),
    R.CONFIG_AUTHORITY: _row(0, "", "error", "Nothing says which scheme and authority devices sign.", "Set `listen.public_url`, or `listen.trusted_proxies` whose Forwarded fields count."),
    R.CONFIG_UNSAFE: _row(0, "", "error", "An unsafe setting needs to be spelled out.", "The message names the setting that allows it."),
    R.CONFIG_LISTEN: _row(0, "", "error", "The gateway cannot listen on the address.", "Another program has the port, or the address is not this machine's."),
    R.CONFIG_STORE: _row(0, "", "error", "The store cannot be reached or used.", "The message names the store and what it answered."),
    R.CONFIG_NATIVE: _row(0, "", "error", "The native module is missing or does not fit.", "Install the gateway again with `pip install .` on a machine with a C compiler."),
}  # fmt: skip


class ConfigError(Exception):
    """The operator's mistake or surroundings: one clear `message`, a `config.*` reason; commands exit with status 2."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
