"""The path check for what `cryptography`'s verifier cannot take: names, signatures, validity, basic constraints, key
usage and path length (RFC 5280 §6.1), and no for every restriction that this does not understand."""

from typing import Final

from cryptography import x509

from gateway.onboarding.authorities import Authority, Issuer
from gateway.onboarding.signing import signed_by

_LONGEST: Final = 8
_UNDERSTOOD: Final = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
)
"""What a leaf may have as critical: all are judged, or say nothing about the path."""


def fault(leaf: x509.Certificate, signer: Issuer, authority: Authority, now: float) -> str | None:
    """What is wrong with every path from `leaf`, which `signer` has signed, to an anchor; None if there is a good one.

    The leaf's own validity and usage are judged elsewhere.
    """
    for extension in leaf.extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            return f"the critical extension {extension.oid.dotted_string} is not understood"
    return _climb(signer, authority, now, below=0, seen=())


def _climb(issuer: Issuer, authority: Authority, now: float, below: int, seen: tuple[Issuer, ...]) -> str | None:
    """The same for `issuer`, with `below` intermediates that are not self-issued under it."""
    own = _own_fault(issuer, now, below)
    if own is not None:
        return own
    if issuer in authority.anchors:
        return None
    if len(seen) >= _LONGEST:
        return "the path is too long"
    below += issuer.subject != issuer.issuer  # RFC 5280 §6.1.4 (l)
    found = f"nothing in {authority.file} leads on from {issuer.name}"
    for parent in authority.issuers:
        if parent.subject == issuer.issuer and parent is not issuer and parent not in seen:
            if not signed_by(issuer.certificate, parent):
                continue
            above = _climb(parent, authority, now, below, (*seen, issuer))
            if above is None:
                return None
            found = above
    return found


def _own_fault(issuer: Issuer, now: float, below: int) -> str | None:
    certificate = issuer.certificate
    if now < certificate.not_valid_before_utc.timestamp():
        return f"the certificate of {issuer.name} is not valid yet"
    if now >= certificate.not_valid_after_utc.timestamp() + 1:
        return f"the certificate of {issuer.name} has expired"
    if issuer.path_length is not None and below > issuer.path_length:
        return f"path length constraint of {issuer.name} violated"
    if not issuer.plain:
        return f"the certificate of {issuer.name} has restrictions that only an X.509 v3 leaf can be held against"
    return None
