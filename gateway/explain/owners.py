"""Whose key made a signature that does not fit the client's: asks the signature itself, the keyid, and the store."""

import hashlib
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.explain import ec_recovery, octets
from gateway.explain.facts import Facts
from gateway.explain.oracle import oracle_for, rsa_block
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.explain.signed import Signed
from gateway.model import Certificate, KeyType

_EC_HASH: Final = {KeyType.P256: "sha256", KeyType.P384: "sha384"}
_REGISTER: Final = (
    "register the certificate of the key that the device signs with: wfm-gateway clients add --id ID --cert FILE"
)


def hints(facts: Facts, signed: Signed, scan: int) -> Iterator[Hint]:
    """The owner of the key, where the base is right and only the key is another one."""
    found = _recovered(facts, signed) or _scanned(facts, signed, scan)
    if found is not None:
        yield found
        return
    rsa = [certificate for certificate in facts.certificates if certificate.key_type is KeyType.RSA]
    if rsa and signed.octets is not None and all(rsa_block(certificate, signed.octets) is None for certificate in rsa):
        if len(signed.octets) == octets.expected(rsa[0]):
            yield Hint(
                code="other-key",
                title="Another key made this signature",
                found="opened with the registered RSA key, the signature has no padding inside",
                proof=(
                    "every signature of this key has one, whatever was signed (RFC 8017 section 9); or the octets are"
                    " damaged"
                ),
                proven=True,
                device="sign with the key of the registered certificate",
                gateway=_REGISTER,
            )
    elif signed.keyid is not None and _is_hash(signed.keyid) and not _named(facts, signed.keyid):
        yield from _keyid_only(facts, signed.keyid.lower())


def _is_hash(keyid: str) -> bool:
    return len(keyid) == 64 and all(character in "0123456789abcdefABCDEF" for character in keyid)


def _named(facts: Facts, keyid: str) -> bool:
    wanted = keyid.lower()
    return any(wanted in (certificate.spki_sha256, certificate.sha256) for certificate in facts.certificates)


def _keyid_only(facts: Facts, keyid: str) -> Iterator[Hint]:
    owner = facts.lookup.owner(facts.realm, keyid)
    whose = f"that of client {shown(owner)}" if owner else "not that of a certificate that this client has"
    yield Hint(
        code="other-key",
        title="The keyid names another key",
        found=f"keyid is {keyid[:16]}…, {whose}; registered is "
        + ", ".join(f"{certificate.spki_sha256[:16]}…" for certificate in facts.certificates),
        proof="by the keyid alone: the signature fits no key that could be tried",
        proven=False,
        device="sign with the key of the registered certificate",
        gateway=_REGISTER,
    )


def _recovered(facts: Facts, signed: Signed) -> Hint | None:
    """An ECDSA signature and what was signed determine the key; it says something if the keyid or the store knows
    it."""
    if signed.octets is None:
        return None
    plain = signed.form.octets()
    for key_type, name in _EC_HASH.items():
        sample = Certificate("", b"", "", key_type, 256 if key_type is KeyType.P256 else 384, 0, 0)
        for reading in octets.readings(signed.octets, sample)[:1]:
            for key in ec_recovery.recover(key_type, reading.octets, hashlib.new(name, plain).digest()):
                spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                sha256 = hashlib.sha256(spki).hexdigest()
                owner = facts.lookup.owner(facts.realm, sha256)
                if owner is not None or (signed.keyid or "").lower() == sha256:
                    return _other_key(facts, sha256, owner, signed.keyid)
    return None


def _other_key(facts: Facts, sha256: str, owner: str | None, keyid: str | None) -> Hint:
    registered = ", ".join(f"{certificate.spki_sha256[:16]}…" for certificate in facts.certificates)
    if owner == facts.client_id:
        owner = None
    whose = f"the key of client {shown(owner)}" if owner else "a key that is not registered for this client"
    return Hint(
        code="other-key",
        title=f"Signed with {whose}",
        found=f"the signature is a good one of the key {sha256[:16]}…"
        + (", which the keyid names too" if (keyid or "").lower() == sha256 else "")
        + f"; registered for {shown(facts.client_id) or 'this client'} is {registered}",
        proof=f"tried: with the key {sha256} the signature verifies, so that the base is right",
        proven=True,
        device="sign with the key of the registered certificate"
        + (f", or use the path of client {shown(owner)}" if owner else ""),
        gateway=_REGISTER,
    )


def _scanned(facts: Facts, signed: Signed, scan: int) -> Hint | None:
    """Other clients' keys of a fitting kind, one after the other."""
    if signed.octets is None or scan <= 0:
        return None
    plain = signed.form.octets()
    mine = {certificate.spki_sha256 for certificate in facts.certificates}
    for client in facts.lookup.others(facts.realm, scan):
        for certificate in client.certificates:
            if certificate.spki_sha256 in mine:
                continue
            if _fits(facts, signed, certificate, plain):
                return _other_key(facts, certificate.spki_sha256, client.client_id, signed.keyid)
    return None


def _fits(facts: Facts, signed: Signed, certificate: Certificate, plain: bytes) -> bool:
    assert signed.octets is not None
    oracle = oracle_for(certificate, None, facts.config.policy.rsa_algorithms)
    for reading in octets.readings(signed.octets, certificate)[:1]:
        way = next(oracle.ways(reading.octets), None)
        if way is not None and way.check(reading.octets, plain):
            return True
    return False
