"""Make one signed request (RFC 9421 §3.1), with the same code for the signature base that verifies it."""

import base64
import hashlib
import re
from typing import Final

import msgspec

from gateway._native import Candidate, Refused, parse_head, select
from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason
from gateway.signing.keys import PrivateKey, algorithms_of, keyid_of, raw_signature

DEVICE_COMPONENTS: Final = ("@method", "@target-uri", "@authority")
"""What the Margo reference device covers; `content-digest` comes to it with a body."""

DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
"""RFC 9530 §5: the algorithms that are neither deprecated nor unknown."""

# RFC 9651 §3.1.2: key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )
_LABEL: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")
# RFC 9110 §5.6.2: token
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_URL: Final = re.compile(r"(?i:(https?))://([^/?#]+)([^#]*)")
# Field values as they may stand on the wire: visible ASCII, space and tab inside.
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "signature", "signature-input"})


class Request(msgspec.Struct, frozen=True, gc=False):
    """What to sign. `url` is what the device sees, kept byte for byte; `fields` go out in their order, after Host."""

    method: str
    url: str
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()


class SignOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to sign. The defaults are what the Margo reference device does.

    `created` and `expires` are seconds since 1970, None sends none. `components` None means those of the device; an
    element is a plain name (`@method`) or an identifier as it stands in Signature-Input (`"@query-param";name="a"`).
    `keyid` None means hex SHA-256 of the SPKI; "" sends none. `alg` None means what the key takes first; it is sent as
    a parameter only with `send_alg`. `digests` name what Content-Digest carries when there is a body; empty sends none.
    """

    created: int | None
    expires: int | None = None
    label: str = "sig1"
    components: tuple[str, ...] | None = None
    keyid: str | None = None
    alg: Algorithm | None = None
    send_alg: bool = False
    nonce: str | None = None
    tag: str | None = None
    digests: tuple[str, ...] = ("sha-256",)


class SignedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that is ready to send: `fields` in their order with Host first, and the `base` that was signed."""

    method: str
    scheme: str
    authority: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    base: bytes
    algorithm: Algorithm

    def field(self, name: str) -> str | None:
        """The value of the first field with this name, whatever its case."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


def split_url(url: str) -> tuple[str, str, str]:
    """Split an http or https URL into scheme, authority as given, and request target; nothing is decoded or normalised.

    :raises ConfigError: config.invalid
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _invalid(f"{url!r} is not an http or https URL without a fragment")
    scheme, authority, target = found.groups()
    if "@" in authority:
        raise _invalid("the URL must not carry a user name or password")
    if not target.startswith("/"):
        # RFC 9110 §4.2.3: an empty path is sent as "/".
        target = "/" + target
    if not re.fullmatch(r"[\x21-\x7e]+", authority + target):
        raise _invalid("the URL must be ASCII without spaces: percent-encode it as the device does")
    return scheme.lower(), authority, target


def sign(request: Request, key: PrivateKey, options: SignOptions) -> SignedRequest:
    """Sign `request` with `key`.

    :raises ConfigError: config.invalid, a component that the request does not have, an algorithm that does not
        fit the key, a malformed label, method, field or URL
    """
    scheme, authority, target = split_url(request.url)
    algorithm = _algorithm(key, options.alg)
    fields = _fields(request, authority, options)
    head = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    signature_input = f"{options.label}={_params(request, fields, key, algorithm, options)}"
    candidate = _candidate(head, signature_input, options.label)
    try:
        base = candidate.base(scheme.encode(), authority.encode())
    except Refused as refused:
        raise _refused(refused.reason, refused.detail) from refused
    signature = base64.b64encode(raw_signature(key, algorithm, base)).decode()
    fields += [("Signature-Input", signature_input), ("Signature", f"{options.label}=:{signature}:")]
    return SignedRequest(request.method, scheme, authority, target, tuple(fields), request.body, base, algorithm)


def sign_also(signed: SignedRequest, request: Request, key: PrivateKey, options: SignOptions) -> SignedRequest:
    """Add the signature of another key to `signed`, which was made of the same `request`.

    :raises ConfigError: as `sign`
    """
    second = sign(request, key, options)
    added = [field for field in second.fields if field[0] in ("Signature-Input", "Signature")]
    return msgspec.structs.replace(signed, fields=(*signed.fields, *added))


def _algorithm(key: PrivateKey, wanted: Algorithm | None) -> Algorithm:
    possible = algorithms_of(key)
    if wanted is None:
        return possible[0]
    if wanted not in possible:
        raise _invalid(f"the key cannot sign {wanted}; it can sign {' or '.join(possible)}")
    return wanted


def _fields(request: Request, authority: str, options: SignOptions) -> list[tuple[str, str]]:
    """The fields before the signature's own: Host, the caller's, framing, Content-Digest."""
    if not _TOKEN.fullmatch(request.method):
        raise _invalid(f"{request.method!r} is not an HTTP method")
    fields = [("Host", authority)]
    for name, value in request.fields:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _invalid(f"the field {name!r} has a malformed name or value (visible ASCII, no line ends)")
        if name.lower() in _OURS:
            raise _invalid(f"the field {name} follows from the URL, the body and the signature; it cannot be given")
        fields.append((name, value))
    if request.body or request.method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
        # RFC 9110 §8.6: a method that anticipates content says so even when there is none.
        fields.append(("Content-Length", str(len(request.body))))
    if request.body and options.digests and not any(name.lower() == "content-digest" for name, _ in fields):
        fields.append(("Content-Digest", content_digest(request.body, options.digests)))
    return fields


def content_digest(body: bytes, algorithms: tuple[str, ...] = ("sha-256",)) -> str:
    """The value of Content-Digest (RFC 9530 §2).

    :raises ConfigError: config.invalid: an algorithm that is not sha-256 or sha-512
    """
    for name in algorithms:
        if name not in DIGESTS:
            raise _invalid(f"{name!r} is not a digest algorithm; take sha-256 or sha-512")
    return ", ".join(f"{name}=:{base64.b64encode(DIGESTS[name](body).digest()).decode()}:" for name in algorithms)


def _params(
    request: Request, fields: list[tuple[str, str]], key: PrivateKey, algorithm: Algorithm, options: SignOptions
) -> str:
    """The member of Signature-Input (RFC 9421 §4.1); parameters in the order of the reference device."""
    components = options.components
    if components is None:
        has_digest = request.body and any(name.lower() == "content-digest" for name, _ in fields)
        components = (*DEVICE_COMPONENTS, "content-digest") if has_digest else DEVICE_COMPONENTS
    keyid = keyid_of(key) if options.keyid is None else options.keyid
    parameters = [
        ("created", None if options.created is None else str(options.created)),
        ("expires", None if options.expires is None else str(options.expires)),
        ("keyid", _string(keyid, "keyid") if keyid else None),
        ("alg", f'"{algorithm}"' if options.send_alg else None),
        ("nonce", None if options.nonce is None else _string(options.nonce, "nonce")),
        ("tag", None if options.tag is None else _string(options.tag, "tag")),
    ]
    inner = " ".join(_identifier(component) for component in components)
    return f"({inner})" + "".join(f";{name}={value}" for name, value in parameters if value is not None)


def _identifier(component: str) -> str:
    return component if component.startswith('"') else _string(component, "component")


def _string(value: str, what: str) -> str:
    """RFC 9651 §4.1.6: a String is printable ASCII; backslash and quote are escaped."""
    if not re.fullmatch(r"[\x20-\x7e]*", value):
        raise _invalid(f"the {what} {value!r} is not printable ASCII")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _candidate(head: list[str], signature_input: str, label: str) -> Candidate:
    """Read the request as the gateway will, with a signature that stands in for the one to be made."""
    if not _LABEL.fullmatch(label):
        raise _invalid(f"the label {label!r} must be lower-case letters, digits and _ - . * and begin with a letter")
    lines = [*head, f"Signature-Input: {signature_input}", f"Signature: {label}=:AA==:", "", ""]
    try:
        (candidate,) = select(parse_head("\r\n".join(lines).encode()))
    except Refused as refused:
        raise _refused(refused.reason, refused.detail) from refused
    if candidate.reason is not None:
        raise _refused(candidate.reason, candidate.detail)
    return candidate


def _refused(reason: str, detail: str) -> ConfigError:
    about = f" ({detail})" if detail else ""
    return _invalid(f"this request cannot be signed, a gateway would say {reason}{about}")


def _invalid(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)
