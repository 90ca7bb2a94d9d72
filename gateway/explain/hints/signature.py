"""Why a signature does not hold: tries what devices and load balancers are known to get wrong until it does."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.explain import octets, owners
from gateway.explain.facts import Facts
from gateway.explain.form import Change
from gateway.explain.octets import Octets
from gateway.explain.oracle import Budget, Oracle, oracle_for
from gateway.explain.report import Hint
from gateway.explain.search import Finding, search
from gateway.explain.shown import count, shown
from gateway.explain.signed import Signed
from gateway.explain.variations.usual import usual
from gateway.model import Certificate, KeyType
from gateway.signature.algorithms import FITTING, KNOWN

_NAMES: Final = {
    "es256": "ecdsa-p256-sha256",
    "ecdsa-p256": "ecdsa-p256-sha256",
    "ecdsa-sha256": "ecdsa-p256-sha256",
    "ecdsa": "ecdsa-p256-sha256",
    "es384": "ecdsa-p384-sha384",
    "ecdsa-p384": "ecdsa-p384-sha384",
    "ecdsa-sha384": "ecdsa-p384-sha384",
    "rs256": "rsa-v1_5-sha256",
    "rsa-sha256": "rsa-v1_5-sha256",
    "rsa": "rsa-v1_5-sha256",
    "ps256": "rsa-pss-sha256",
    "ps512": "rsa-pss-sha512",
    "rsa-pss": "rsa-pss-sha512",
    "eddsa": "ed25519",
    "hs2019": "",
}
"""What other standards (JOSE, old drafts) call the algorithms of RFC 9421 §6.2."""

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
    hints = [*_algorithm_hints(facts, signed)]
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
    """Try each certificate of the client with the plain base first, then the first one with everything."""
    assert signed.octets is not None
    for number, certificate in enumerate((*facts.certificates[:4], facts.certificates[0])):
        readings = octets.readings(signed.octets, certificate)
        last = number == min(len(facts.certificates), 4)
        variations = (
            usual(signed.form, facts.head, facts.capture.body, facts.config, try_hosts, signed.sent, signed.label)
            if last
            else ()
        )
        found = search(signed.form, readings, _oracle(facts, signed, certificate), variations, budget)
        if found is not None:
            return found, certificate
    return None, facts.certificates[0]


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


def _algorithm_hints(facts: Facts, signed: Signed) -> Iterator[Hint]:
    alg = signed.alg
    if alg is None:
        return
    certificate = facts.certificates[0] if facts.certificates else None
    fitting = sorted(one.value for one in FITTING[certificate.key_type]) if certificate is not None else []
    if alg not in KNOWN:
        name = _NAMES.get(alg.lower(), alg.lower() if alg.lower() in KNOWN else "")
        if certificate is not None and name not in fitting:
            name = " or ".join(fitting)
        yield Hint(
            code="alg-name",
            title=f'alg="{shown(alg, 40)}" is not a name of RFC 9421',
            found=f'the parameter alg is "{shown(alg, 40)}"',
            proof="RFC 9421 section 6.2.2 lists the names; " + ", ".join(KNOWN),
            proven=True,
            device=(
                f'write alg="{name}", or leave alg out: the key decides then'
                if name
                else "leave alg out: the key decides then"
            ),
        )
    elif fitting and alg not in fitting:
        assert certificate is not None
        yield Hint(
            code="alg-key",
            title=f'alg="{alg}" does not fit the registered key',
            found=f"the registered key is {certificate.key_type.value}, {certificate.bits} bits",
            proof=f"a {certificate.key_type.value} key can only be used with {' or '.join(fitting)}",
            proven=True,
            device=(
                f'sign with alg="{fitting[0]}" or leave alg out; if the device has another key, its certificate is not'
                " the registered one"
            ),
            gateway="look with `wfm-gateway clients show` which certificate is registered",
        )
