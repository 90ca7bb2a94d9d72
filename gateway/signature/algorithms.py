"""Which algorithms fit which key, and which of them to try (R11)."""

from typing import Final

from gateway._native import Refused
from gateway.model import Algorithm, Certificate, KeyType
from gateway.reasons import Reason

FITTING: Final[dict[KeyType, frozenset[Algorithm]]] = {
    KeyType.P256: frozenset({Algorithm.ECDSA_P256_SHA256}),
    KeyType.P384: frozenset({Algorithm.ECDSA_P384_SHA384}),
    KeyType.RSA: frozenset({Algorithm.RSA_V1_5_SHA256, Algorithm.RSA_PSS_SHA256, Algorithm.RSA_PSS_SHA512}),
    KeyType.ED25519: frozenset({Algorithm.ED25519}),
}
KNOWN: Final[dict[str, Algorithm]] = {algorithm.value: algorithm for algorithm in Algorithm}
_REMEMBERED_KEYS: Final = 100_000
_RSA: Final = KeyType.RSA  # looking it up at each use costs more than the comparison


class AlgorithmChoice:
    """Chooses algorithms for a key, and remembers per RSA key which one worked (a hint for the order, never a
    permission)."""

    def __init__(self, allowed: tuple[Algorithm, ...], rsa_order: tuple[Algorithm, ...]) -> None:
        self._allowed = frozenset(allowed)
        self._rsa_order = tuple(algorithm for algorithm in rsa_order if algorithm in self._allowed)
        self._single = {
            key_type: tuple(fitting)
            for key_type, fitting in FITTING.items()
            if len(fitting) == 1 and fitting <= self._allowed
        }
        self._worked: dict[str, Algorithm] = {}

    def check_name(self, alg: str | None) -> None:
        """Refuse an `alg` parameter that no key could satisfy.

        :raises Refused: signature.unsupported_algorithm, policy.algorithm_refused
        """
        if alg is None:
            return
        algorithm = KNOWN.get(alg)
        if algorithm is None:
            raise Refused(Reason.SIGNATURE_ALGORITHM, alg[:64])
        if algorithm not in self._allowed:
            raise Refused(Reason.POLICY_ALGORITHM, alg)

    def for_key(self, alg: str | None, certificate: Certificate) -> tuple[Algorithm, ...]:
        """The algorithms to try, in order: the named one, or all that the key and the configuration allow.

        :raises Refused: signature.algorithm_mismatch, policy.algorithm_refused
        """
        key_type = certificate.key_type
        if alg is not None:
            algorithm = KNOWN[alg]
            if algorithm not in FITTING[key_type]:
                raise Refused(Reason.SIGNATURE_ALGORITHM_KEY, f"alg is {alg}, the key is {key_type.value}")
            return (algorithm,)
        single = self._single.get(key_type)
        if single is not None:
            return single
        if key_type is not _RSA or not self._rsa_order:
            raise Refused(Reason.POLICY_ALGORITHM, f"no algorithm for {key_type.value} keys is allowed")
        worked = self._worked.get(certificate.spki_sha256)
        if worked is None:
            return self._rsa_order
        return (worked, *(algorithm for algorithm in self._rsa_order if algorithm is not worked))

    def worked(self, certificate: Certificate, algorithm: Algorithm) -> None:
        """Remember what verified for an RSA key whose device sends no `alg`."""
        if certificate.key_type is not _RSA or self._worked.get(certificate.spki_sha256) is algorithm:
            return
        if len(self._worked) >= _REMEMBERED_KEYS:
            self._worked.clear()
        self._worked[certificate.spki_sha256] = algorithm
