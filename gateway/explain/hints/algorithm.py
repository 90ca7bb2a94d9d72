"""The parameter alg: names of other standards, and names that do not fit the key (RFC 9421 §6.2)."""

from collections.abc import Iterator
from typing import Final

from gateway.explain.facts import Facts
from gateway.explain.report import Hint
from gateway.explain.shown import shown
from gateway.explain.signed import Signed
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


def hints(facts: Facts, signed: Signed) -> Iterator[Hint]:
    """What is wrong with alg, whatever the signature is."""
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
