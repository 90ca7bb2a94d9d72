"""The rule `ca`: is there a valid path from a certificate to an authority that the operator configured (RFC 5280 §6.1)?

Wherever it can, `cryptography`'s verifier answers. It cannot take an X.509 v1 leaf, as OpenSSL makes them by default,
nor a path with an Ed25519 key; these are judged by `gateway.onboarding.minimal_path`.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.onboarding import minimal_path
from gateway.onboarding.authorities import Authority, Issuer
from gateway.onboarding.bundles import Bundles
from gateway.onboarding.signing import is_strong, signed_by
from gateway.onboarding.verdict import Accept, Opinion, Reject
from gateway.reasons import Reason
from gateway.registry.issued import issuer_name
from gateway.registry.revocations import Revocations

LONGEST_PATH: Final = 8
_SIGNATURE_LIMIT: Final = 3
"""Issuers of one name whose signature is tried, for a stranger must not cost much (R5)."""


class CaPath(msgspec.Struct, frozen=True):
    """The authorities of one gateway, and what their lists say, as of now."""

    bundles: Bundles
    revocations: Revocations

    def opinion(self, leaf: x509.Certificate, der: bytes, now: float) -> Opinion:
        """Accept with the tenant of the first authority to which a path leads; reject what names one and does not lead
        there; no opinion on what none of them claims to have issued."""
        name = issuer_name(der)
        claimed = [
            (entry, issuer) for entry in self.bundles.present for issuer in entry.issuers if issuer.subject == name
        ]
        if not claimed:
            return None
        if not is_strong(leaf):
            return Reject(
                Reason.TRUST_CHAIN, f"signed with {leaf.signature_algorithm_oid.dotted_string}, which is weak"
            )
        key_id = _authority_key_id(leaf)
        if isinstance(key_id, Reject):
            return key_id
        wanted = [pair for pair in claimed if key_id is None or pair[1].key_id in (None, key_id)]
        signers = [pair for pair in wanted[:_SIGNATURE_LIMIT] if signed_by(leaf, pair[1])]
        if not signers:
            return Reject(Reason.TRUST_CHAIN, f"not signed by {claimed[0][1].name}, which it names as its issuer")
        unfit = usage(leaf)
        if unfit is not None:
            return Reject(Reason.TRUST_USAGE, unfit)
        faults = []
        for authority, signer in signers:
            # Of two certificates of one name only one may be revoked: then only what the other signed is good.
            if self.revocations.objection(signer.issued, now) is Reason.KEY_REVOKED:
                return Reject(Reason.TRUST_REVOKED, f"the certificate of {signer.name} is revoked")
            fault = _fault(leaf, authority, signer, now)
            if fault is None:
                return Accept("ca", authority.tenant)
            faults.append(fault)
        return Reject(Reason.TRUST_CHAIN, faults[0])


def usage(leaf: x509.Certificate) -> str | None:
    """Why a certificate is not one to sign requests with; None if it is (RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12)."""
    for extension in leaf.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                return "the certificate is an authority's (basicConstraints CA:TRUE)"
            case x509.KeyUsage() as allowed:
                if allowed.key_cert_sign or not (allowed.digital_signature or allowed.content_commitment):
                    return "its keyUsage is not that of a device that signs"
            case x509.ExtendedKeyUsage() as purposes:
                wanted = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
                if not any(purpose in wanted for purpose in purposes):
                    return "its extendedKeyUsage leaves out clientAuth"
    return None


def _authority_key_id(leaf: x509.Certificate) -> bytes | Reject | None:
    try:
        return leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return Reject(Reason.TRUST_CHAIN, f"its extensions cannot be read: {error}")


def _fault(leaf: x509.Certificate, authority: Authority, signer: Issuer, now: float) -> str | None:
    if leaf.version is not x509.Version.v3 or any(issuer.ed25519 for issuer in authority.issuers):
        return minimal_path.fault(leaf, signer, authority, now)
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store([anchor.certificate for anchor in authority.anchors]))
        .time(datetime.fromtimestamp(int(now), UTC))
        .max_chain_depth(LONGEST_PATH)
        .extension_policies(ca_policy=_CA, ee_policy=_LEAF)
    )
    try:
        policy.build_client_verifier().verify(leaf, [issuer.certificate for issuer in authority.intermediates])
    except verification.VerificationError as error:
        return f"{str(error).partition(' (encountered')[0]} ({authority.file})"
    return None


def _may_issue(_: verification.Policy, __: x509.Certificate, allowed: x509.KeyUsage | None) -> None:
    if allowed is not None and not allowed.key_cert_sign:
        raise ValueError("keyUsage without keyCertSign")


_CA: Final = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_issue)
)
"""The verifier itself checks cA, the path length, and that nothing critical is unknown to it."""
_LEAF: Final = verification.ExtensionPolicy.permit_all()
"""A device has no DNS name: none of what a web server's certificate must have is asked for. `usage` does the rest."""
