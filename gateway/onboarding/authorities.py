"""Reads the certificate authorities that the operator trusts: per `[[onboarding.ca]]` one file of CA certificates."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.onboarding import Authority as Section
from gateway.config.onboarding import Onboarding
from gateway.onboarding.signing import signed_by
from gateway.reasons import ConfigError, Reason
from gateway.registry.issued import issued, issuer_name, subject_name

_SMALLEST_RSA_BITS: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_COUNT_LIMIT: Final = 64
T = TypeVar("T", bound=x509.ExtensionType)


class Issuer(msgspec.Struct, frozen=True):
    """One CA certificate. `subject` and `issuer` are the DER of its names, `issued` is what revocation lists know it
    by; `path_length` as basicConstraints has it; `plain`: nothing in it restricts what it issues beyond that, so a
    minimal path check does it justice."""

    certificate: x509.Certificate
    subject: bytes
    issuer: bytes
    issued: bytes
    key_id: bytes | None
    path_length: int | None
    plain: bool
    ed25519: bool

    @property
    def name(self) -> str:
        """Its subject, for people."""
        return self.certificate.subject.rfc4514_string()


class Authority(msgspec.Struct, frozen=True):
    """One `[[onboarding.ca]]`. `anchors` are where paths end: what is self-signed, and what nothing else in the file
    issued; `intermediates` are the rest."""

    file: str
    tenant: str
    anchors: tuple[Issuer, ...]
    intermediates: tuple[Issuer, ...]

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """All of them."""
        return self.anchors + self.intermediates


def read_all(config: Onboarding) -> tuple[Authority, ...]:
    """Every `[[onboarding.ca]]`, in its order.

    :raises ConfigError: as `read`
    """
    return tuple(read(section) for section in config.ca)


def read(section: Section) -> Authority:
    """Read one file of PEM certificates, or one in DER.

    :raises ConfigError: config.unreadable; config.invalid for a certificate that is not an authority's
    """
    source = section.file
    try:
        data = Path(source).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = (
                x509.load_pem_x509_certificates(data)
                if b"-----BEGIN" in data
                else [x509.load_der_x509_certificate(data)]
            )
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{source} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(
            Reason.CONFIG_UNREADABLE, f"{source} holds no readable CA certificate in PEM or DER"
        ) from error
    if len(found) > _COUNT_LIMIT:
        raise ConfigError(
            Reason.CONFIG_INVALID, f"{source} holds {len(found)} certificates; {_COUNT_LIMIT} are the most"
        )
    issuers = [_issuer(certificate, source) for certificate in found]
    anchors = tuple(issuer for issuer in issuers if _is_anchor(issuer, issuers))
    intermediates = tuple(issuer for issuer in issuers if issuer not in anchors)
    if not anchors:
        raise ConfigError(Reason.CONFIG_INVALID, f"{source}: its certificates issued each other, so no path can end")
    return Authority(source, section.tenant, anchors, intermediates)


def _is_anchor(issuer: Issuer, all_: Sequence[Issuer]) -> bool:
    parents = [other for other in all_ if other.subject == issuer.issuer and signed_by(issuer.certificate, other)]
    return issuer in parents or not parents


def _issuer(certificate: x509.Certificate, source: str) -> Issuer:
    try:
        name = certificate.subject.rfc4514_string()
        extensions = certificate.extensions
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ConfigError(
            Reason.CONFIG_INVALID, f"{source} holds a certificate that cannot be used: {error}"
        ) from error
    constraints = _value(extensions, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        # RFC 5280 §4.2.1.9; an X.509 v1 certificate cannot say so, and could be any device's.
        raise _no_authority(source, name, "does not say that it is an authority's (basicConstraints CA:TRUE)")
    usage = _value(extensions, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise _no_authority(source, name, "must not sign certificates (keyUsage without keyCertSign)")
    weak = isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_RSA_BITS
    known = isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if weak or not known:
        raise _no_authority(source, name, "has a weak key, or one of an unsupported kind")
    key_id = _value(extensions, x509.SubjectKeyIdentifier)
    der = certificate.public_bytes(Encoding.DER)
    return Issuer(
        certificate,
        subject_name(der),
        issuer_name(der),
        issued(der),
        None if key_id is None else key_id.digest,
        constraints.path_length,
        _is_plain(extensions),
        isinstance(key, ed25519.Ed25519PublicKey),
    )


def _is_plain(extensions: x509.Extensions) -> bool:
    for extension in extensions:
        kind = type(extension.value)
        if kind in (x509.NameConstraints, x509.PolicyConstraints, x509.InhibitAnyPolicy):
            return False
        if extension.critical and kind not in (x509.BasicConstraints, x509.KeyUsage):
            return False
    return True


def _value(extensions: x509.Extensions, kind: type[T]) -> T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _no_authority(source: str, name: str, why: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, f"{source}: the certificate of {name} {why}")
