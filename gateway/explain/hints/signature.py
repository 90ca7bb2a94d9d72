"""Why a signature does not hold: tries what devices and load balancers are known to get wrong until it does."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.explain import octets, owners
from gateway.explain.facts import Facts
from gateway.explain.form import Change, Variation
from gateway.explain.hints import algorithm
from gateway.explain.octets import Octets
from gateway.explain.oracle import Budget, Oracle, oracle_for
from gateway.explain.report import Hint
from gateway.explain.search import Finding, search
from gateway.explain.shown import count
from gateway.explain.signed import Signed
from gateway.explain.variations.usual import usual
from gateway.model import Certificate, KeyType
from gateway.signature.algorithms import KNOWN

_CERTIFICATES: Final = 4

# What a loose reading says already need not be said again of the base.
_SAID: Final = {
    "component-quotes": ("name-quotes", "params-spaces"),
    "component-commas": ("params-spaces",),
    "capital-component": ("name-case", "params-spaces"),
    "parameter-quotes": ("params-spaces",),
    "created-text": ("params-spaces",),
    "label-missing": ("params-spaces",),
}


class Diagnosed(msgspec.Struct, frozen=True):
    """The hints, and the base that the device signed if it was found out."""

    hints: tuple[Hint, ...]
    base: bytes | None = None


def diagnose(facts: Facts, signed: Signed, try_hosts: tuple[str, ...], scan: int, budget: Budget) -> Diagnosed:
    """Everything that can be said about the signature, its octets and its algorithm."""
    if facts.holds is not None and not signed.changes:
        return Diagnosed((), facts.base)
    hints = [*algorithm.hints(facts, signed)]
    if signed.octets is None or not facts.certificates:
        hints += [_unproven(change, "read with good will; there is no key to try it with") for change in signed.changes]
        return Diagnosed(tuple(hints))
    found, certificate = _find(facts, signed, try_hosts, budget)
    if found is not None:
        return Diagnosed((*_proven(facts, signed, found, certificate), *hints), found.base)
    hints += [
        _unproven(change, "read with good will; the signature does not verify even so") for change in signed.changes
    ]
    owner = list(owners.hints(facts, signed, scan))
    if not any(hint.proven for hint in owner):
        hints += _shapes(facts, signed)
    hints += owner
    return Diagnosed(tuple(hints))


def without_meaning(facts: Facts) -> Iterator[Hint]:
    """What to say where nothing like a signature can be read."""
    signature = b", ".join(facts.head.values(b"signature"))
    inputs = facts.head.values(b"signature-input")
    if re.search(rb'keyId="', signature):
        yield Hint(
            code="old-draft",
            title="This is the signature of an old draft, not of RFC 9421",
            found='the Signature field has keyId="...", as draft-cavage-http-signatures had it',
            proof="that form has no Signature-Input field",
            proven=True,
            device='sign by RFC 9421: Signature-Input: sig1=(...);created=...;keyid="..." and Signature: sig1=:...:',
        )
    elif inputs and not signature:
        yield _missing("Signature", "Signature-Input")
    elif signature and not inputs:
        yield _missing("Signature-Input", "Signature")


def _missing(absent: str, present: str) -> Hint:
    return Hint(
        code="field-missing",
        title=f"There is no {absent} field",
        found=f"{present} is there, {absent} is not",
        proof="the list of fields",
        proven=True,
        device="send both fields, Signature-Input and Signature, with the same label",
        gateway="look if a hop on the way removes fields that it does not know",
    )


def _find(
    facts: Facts, signed: Signed, try_hosts: tuple[str, ...], budget: Budget
) -> tuple[Finding | None, Certificate]:
    """Try each certificate of the client with the plain base first, then the likeliest one with everything."""
    for certificate in facts.certificates[:_CERTIFICATES]:
        found = _search(facts, signed, certificate, (), budget)
        if found is not None:
            return found, certificate
    likeliest = facts.certificates[0]
    variations = usual(signed.form, facts.head, facts.capture.body, facts.config, try_hosts, signed.sent, signed.label)
    return _search(facts, signed, likeliest, variations, budget), likeliest


def _search(
    facts: Facts, signed: Signed, certificate: Certificate, variations: Iterable[Variation], budget: Budget
) -> Finding | None:
    assert signed.octets is not None
    readings = octets.readings(signed.octets, certificate)
    return search(signed.form, readings, _oracle(facts, signed, certificate), variations, budget)


def _oracle(facts: Facts, signed: Signed, certificate: Certificate) -> Oracle:
    alg = signed.alg if signed.alg in KNOWN else None
    return oracle_for(certificate, alg, facts.config.policy.rsa_algorithms)


def _proven(facts: Facts, signed: Signed, found: Finding, certificate: Certificate) -> Iterator[Hint]:
    said = {code for change in signed.changes for code in _SAID.get(change.code, ())}
    changes = [*signed.changes, *(change for change in found.changes if change.code not in said)]
    changes = list({change.code: change for change in changes}.values())
    for change in changes:
        others = [other.title for other in changes if other is not change]
        proof = "tried: read like that, the signature verifies"
        if others:
            proof += f" (together with: {'; '.join(others)})"
        yield Hint(
            code=change.code,
            title=change.title,
            found=change.found,
            proof=f"{proof} with the key {certificate.spki_sha256[:16]}…",
            proven=True,
            device=change.device,
            gateway=change.gateway,
        )


def _unproven(change: Change, proof: str) -> Hint:
    return Hint(
        code=change.code,
        title=change.title,
        found=change.found,
        proof=proof,
        proven=False,
        device=change.device,
        gateway=change.gateway,
    )


def _shapes(facts: Facts, signed: Signed) -> Iterator[Hint]:
    """What the octets show by themselves, though the signature does not verify."""
    assert signed.octets is not None
    certificate = facts.certificates[0]
    readings = octets.readings(signed.octets, certificate)
    if readings and readings[0].changes and not any(reading.changes == () for reading in readings):
        for change in readings[0].changes:
            yield _unproven(
                change,
                "by the shape of the octets; the signature does not verify even so, so something else differs too",
            )
    elif not readings:
        yield _wrong_size(signed.octets, certificate)
    if certificate.key_type is KeyType.RSA and readings:
        for change in _padding(facts, signed, certificate, readings[0]):
            yield _unproven(
                change,
                "the padding inside of the signature, opened with the public key, shows it; the base differs as well",
            )


def _padding(facts: Facts, signed: Signed, certificate: Certificate, reading: Octets) -> Iterator[Change]:
    way = next(_oracle(facts, signed, certificate).ways(reading.octets), None)
    if way is not None:
        yield from way.changes


def _wrong_size(signature: bytes, certificate: Certificate) -> Hint:
    size = octets.expected(certificate)
    numbers = octets.der_integers(signature)
    guess = {
        64: "P-256 (or Ed25519)",
        96: "P-384",
        132: "P-521",
        256: "RSA-2048",
        384: "RSA-3072",
        512: "RSA-4096",
    }.get(len(signature))
    found = (
        f"{count(len(signature), 'octet')}; a signature of the registered {certificate.key_type.value} key has {size}"
    )
    if numbers is not None:
        bits = max(numbers).bit_length()
        guess = "P-256" if bits <= 256 else "P-384" if bits <= 384 else "P-521"
        found += f"; they parse as DER with numbers of {bits} bits"
    return Hint(
        code="signature-size",
        title="The signature has the size of another kind of key",
        found=found,
        proof=f"that is the size of a {guess} signature" if guess else "no kind of key has signatures of that size",
        proven=False,
        device="sign with the key of the registered certificate",
        gateway=(
            "register the certificate of the key that the device signs with: wfm-gateway clients add --id ID --cert"
            " FILE"
        ),
    )
