"""The client, its certificates, and what the keyid says about them (R11)."""

import base64
from collections.abc import Iterator

from gateway.explain import moments
from gateway.explain.facts import Facts, refusal_of
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.model import Certificate
from gateway.policy import names
from gateway.reasons import TABLE, Reason
from gateway.registry.answers import Missing


def hints(facts: Facts) -> Iterator[Hint]:
    """Unknown clients, certificates that are not valid, keyids in another form."""
    if isinstance(facts.found, Missing):
        yield _unknown(facts)
    for certificate in facts.certificates:
        refused = refusal_of(facts.rules, certificate, facts.now_s)
        if refused is not None and facts.holds is not None and facts.holds.certificate is certificate:
            yield Hint(
                code="certificate-validity",
                title="The certificate whose key signed is not valid now",
                found=(
                    f"valid from {moments.both(certificate.not_before, facts.now_s)} to"
                    f" {moments.both(certificate.not_after, facts.now_s)}"
                ),
                proof="the signature verifies with its key",
                proven=True,
                device="renew the certificate, and check the clocks",
                gateway="register the new certificate: wfm-gateway clients add --id ID --cert FILE",
            )
    keyid = facts.focus.keyid if facts.focus is not None else None
    if keyid is not None and facts.certificates and not _keyid_is_client_id(facts):
        yield from _keyid(facts, keyid)


def _keyid_is_client_id(facts: Facts) -> bool:
    return facts.config.policy.keyid == "client-id"


def _unknown(facts: Facts) -> Hint:
    owner = None
    keyid = facts.focus.keyid if facts.focus is not None else None
    if keyid is not None:
        owner = facts.lookup.owner(facts.realm, keyid.lower())
    found = f'there is no client "{shown(facts.client_id)}" in realm "{shown(facts.realm)}" of {facts.lookup.source}'
    if owner is not None:
        found += f"; the key that the keyid names is that of client {shown(owner)}"
    return Hint(
        code="unknown-client",
        title="No such client",
        found=found,
        proof="looked up in the store",
        proven=True,
        device="use the client id that the WFM assigned at onboarding, in exactly that spelling"
        + (f": {shown(owner)}" if owner is not None else ""),
        gateway="wfm-gateway clients add --id ID --cert FILE",
    )


def _keyid(facts: Facts, keyid: str) -> Iterator[Hint]:
    certificates = facts.certificates
    for certificate in certificates:
        if keyid.lower() == certificate.spki_sha256:
            return
    form = next((found for certificate in certificates for found in _forms(certificate, keyid)), None)
    if form is None and keyid == facts.client_id and not facts.lookup.assumed:
        form = "the client id"
    if form is None:
        if facts.holds is None:
            return  # what the signature says about its key counts for more
        form = "something else"
    wanted = certificates[0].spki_sha256
    accepted = any(names(keyid, certificate) for certificate in certificates)
    refused = facts.config.policy.keyid == "match" and not accepted
    yield Hint(
        code="keyid-form",
        title=f"keyid is {form}, not the hex SHA-256 of the key (SPKI)",
        found=f'keyid="{shown(keyid, 100)}"',
        proof=f"compared with the registered key, whose keyid is {wanted}",
        proven=True,
        device=(
            f'send keyid="{wanted}": lower-case hex SHA-256 of the SubjectPublicKeyInfo in DER '
            "(`wfm-gateway explain --keyid-of CERT` prints it)"
        ),
        gateway=(
            TABLE[Reason.KEY_ID].remedy if refused else "policy.keyid decides if it matters; here it is only logged"
        ),
    )


def _forms(certificate: Certificate, keyid: str) -> Iterator[str]:
    """What else a keyid may be a hash of, and how it may be written."""
    for hashed, called in (
        (certificate.spki_sha256, "the SHA-256 of the key"),
        (certificate.sha256, "the SHA-256 of the whole certificate"),
    ):
        octets = bytes.fromhex(hashed)
        plain = (
            keyid.lower().replace(":", "").replace(" ", "").removeprefix("sha256").removeprefix("-").removeprefix("=")
        )
        if plain == hashed:
            yield called + (" with colons, spaces or a prefix" if keyid.lower() != hashed else "")
        bare = keyid.rstrip("=")
        if bare == base64.b64encode(octets).decode().rstrip("="):
            yield f"{called} in base64"
        elif bare == base64.urlsafe_b64encode(octets).decode().rstrip("="):
            yield f"{called} in base64url"
