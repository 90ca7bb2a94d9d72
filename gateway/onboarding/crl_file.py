"""Reads certificate revocation lists: complete ones, signed by a configured authority (RFC 5280 §5, §6.3)."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.onboarding.authorities import Issuer
from gateway.onboarding.signing import is_strong
from gateway.registry.issued import list_issuer_name, serial_octets

SIZE_LIMIT_BYTES: Final = 16 * 1024 * 1024
CLOCK_SKEW_S: Final = 300
_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_LIST_EXTENSIONS: Final = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint)
"""Those that may be critical, because they are judged; what is unknown and critical makes a list unusable (§5.2)."""
_ENTRY_EXTENSIONS: Final = (x509.CRLReason, x509.InvalidityDate)


class CrlError(Exception):
    """A list cannot be used; one sentence says why."""


class Listing(msgspec.Struct, frozen=True):
    """What one list says: `issuer` is the DER of its Name, `serials` are as `serial_octets` writes them, times are
    seconds since 1970, `number` is the cRLNumber. It is signed by each of `signers`, which have one key."""

    issuer: bytes
    serials: frozenset[bytes]
    this_update_s: float
    next_update_s: float
    number: int | None
    sha256: str
    signers: tuple[Issuer, ...]

    def precedes(self, other: "Listing") -> bool:
        """Is this an older list of the same authority?"""
        if self.number is not None and other.number is not None and self.number != other.number:
            return self.number < other.number
        return self.this_update_s < other.this_update_s


def octets(path: str) -> bytes:
    """A file; one octet more than is allowed at most.

    :raises CrlError: it cannot be read
    """
    try:
        with open(path, "rb") as file:
            return file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise CrlError(f"{path} cannot be read: {error.strerror}") from error


def read(data: bytes, issuers: Sequence[Issuer], now: float, source: str) -> tuple[Listing, ...]:
    """The lists in `data`: PEM, with one or several of them, or DER.

    A list that is past its nextUpdate is returned all the same: what it revokes stays revoked.

    :param issuers: the authorities of whom it may be
    :param source: what to call it in messages
    :raises CrlError: one of them cannot be used
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise CrlError(f"{source} is larger than {SIZE_LIMIT_BYTES} octets")
    blocks: list[bytes] = _PEM.findall(data)
    try:
        lists = [x509.load_pem_x509_crl(block) for block in blocks] or [x509.load_der_x509_crl(data)]
    except ValueError as error:
        raise CrlError(f"{source} is no revocation list in PEM or DER") from error
    try:
        return tuple(_listing(crl, issuers, now, source) for crl in lists)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CrlError(f"{source} cannot be read: {error}") from error


def _listing(crl: x509.CertificateRevocationList, issuers: Sequence[Issuer], now: float, source: str) -> Listing:
    name = list_issuer_name(crl.tbs_certlist_bytes)
    named = [issuer for issuer in issuers if issuer.subject == name]
    if not named:
        raise CrlError(f"{source} is a list of {crl.issuer.rfc4514_string()}, who is no authority of this entry")
    if not is_strong(crl):
        raise CrlError(f"{source} is signed with a weak or unknown algorithm")
    signers = [issuer for issuer in named if _signed(crl, issuer)]
    if not signers:
        raise CrlError(f"{source} is not signed by {named[0].name}, or that authority must not sign lists")
    number = _judge_scope(crl, source)
    this_update_s = crl.last_update_utc.timestamp()
    if crl.next_update_utc is None:  # RFC 5280 §5.1.2.5 demands it
        raise CrlError(f"{source} has no nextUpdate, so nobody can tell whether it is current")
    if this_update_s > now + CLOCK_SKEW_S:
        raise CrlError(f"{source} is from the future (thisUpdate)")
    serials = frozenset([_serial(entry, source) for entry in crl])
    next_update_s = crl.next_update_utc.timestamp()
    digest = sha256(crl.tbs_certlist_bytes).hexdigest()
    return Listing(name, serials, this_update_s, next_update_s, number, digest, tuple(signers))


def _signed(crl: x509.CertificateRevocationList, issuer: Issuer) -> bool:
    try:
        usage = issuer.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        pass
    else:
        if not usage.crl_sign:  # RFC 5280 §6.3.3 (f)
            return False
    try:
        return crl.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _judge_scope(crl: x509.CertificateRevocationList, source: str) -> int | None:
    """The number of a list that tells of every certificate of its issuer."""
    number = None
    for extension in crl.extensions:
        match extension.value:
            case x509.DeltaCRLIndicator():
                raise CrlError(f"{source} is a delta list: the complete one is needed")
            case x509.IssuingDistributionPoint() as scope:
                if scope.indirect_crl:
                    raise CrlError(f"{source} is an indirect list: each authority's own is needed")
                if scope.only_some_reasons or scope.only_contains_attribute_certs or scope.only_contains_ca_certs:
                    raise CrlError(f"{source} leaves out certificates of devices, or reasons for revocation")
            case x509.CRLNumber() as found:
                number = found.crl_number
        if extension.critical and not isinstance(extension.value, _LIST_EXTENSIONS):
            raise CrlError(f"{source} has the critical extension {extension.oid.dotted_string}, which is unknown")
    return number


def _serial(entry: x509.RevokedCertificate, source: str) -> bytes:
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CertificateIssuer):
            raise CrlError(f"{source} is an indirect list: each authority's own is needed")
        if extension.critical and not isinstance(extension.value, _ENTRY_EXTENSIONS):
            raise CrlError(f"{source} has an entry with an unknown critical extension")
    return serial_octets(entry.serial_number)
