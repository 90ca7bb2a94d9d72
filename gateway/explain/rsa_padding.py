"""What the padding inside of an RSA signature says about the way in which it was made (RFC 8017)."""

from typing import Final

from gateway.explain.form import Change
from gateway.explain.rsa_block import Block, hash_name
from gateway.model import Algorithm

_RSA: Final = {
    ("pss", "sha512", "sha512", 64): Algorithm.RSA_PSS_SHA512,
    ("pss", "sha256", "sha256", 32): Algorithm.RSA_PSS_SHA256,
    ("v1_5", "sha256", "", 0): Algorithm.RSA_V1_5_SHA256,
}


def change_of(block: Block, alg: str | None, allowed: tuple[Algorithm, ...]) -> Change | None:
    """What is wrong with the padding; None if it is what the gateway checks.

    :param alg: the parameter of the signature; without it any of `allowed` is right
    """
    made = _RSA.get((block.padding, block.hash, block.mgf, len(block.salt)))
    wanted = [alg] if alg is not None else [algorithm.value for algorithm in allowed]
    if made is not None and made.value in wanted:
        return None
    if made is not None:
        return Change(
            "rsa-padding",
            f"Signed as {made.value}, but not said so" if alg is not None else f"Signed as {made.value}",
            f"the padding inside of the signature is that of {made.value}; the gateway checks {', '.join(wanted)}",
            (
                f'sign with {" or ".join(wanted)}, or say alg="{made.value}"'
                if alg is not None
                else f"sign with {' or '.join(wanted)}"
            ),
            f"add {made.value} to policy.algorithms and policy.rsa_algorithms" if alg is None else "",
        )
    if block.padding == "pss":
        return _pss_change(block)
    how = "without DigestInfo" if block.padding == "v1_5-bare" else f"with {hash_name(block.hash)}"
    return Change(
        "rsa-padding",
        f"Signed as RSASSA-PKCS1-v1_5 {how}",
        f"the padding inside of the signature is PKCS #1 v1.5 {how}",
        "sign as rsa-v1_5-sha256 (PKCS #1 v1.5 with SHA-256 and its DigestInfo), or as rsa-pss-sha512",
    )


def _pss_change(block: Block) -> Change:
    exact = {"sha256": 32, "sha512": 64}.get(block.hash)
    found = f"PSS with {hash_name(block.hash)}, MGF1 with {hash_name(block.mgf)}, a salt of {len(block.salt)} octets"
    if exact is None or block.mgf != block.hash:
        return Change(
            "rsa-pss-hash",
            f"PSS with {hash_name(block.hash)} and MGF1 with {hash_name(block.mgf)}",
            f"the padding inside of the signature is {found}",
            "sign as rsa-pss-sha512: SHA-512, MGF1 with SHA-512, a salt of 64 octets (RFC 9421 section 3.3.1); in Java"
            " give a PSSParameterSpec, its default has MGF1 with SHA-1",
        )
    return Change(
        "pss-salt-length",
        f"PSS salt of {len(block.salt)} octets instead of {exact}",
        f"the padding inside of the signature is {found}",
        f"set the salt length to {exact} octets, the size of the hash (not max, auto or 0): padding.PSS(...,"
        f" salt_length={exact}) in Python, rsa.PSSSaltLengthEqualsHash in Go, RSA_PSS_SALTLEN_DIGEST in OpenSSL,"
        " saltLength in WebCrypto and Node",
    )
