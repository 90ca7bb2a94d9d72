"""A naive second reading of RFC 9421, 9651, 9530 and 9112, with the interface of `gateway._native`, to compare it with.

Written from the RFC texts and from the contract in `gateway/_native.pyi`, for reading and not for speed. It decides nothing at
run time: only tests import it.
"""

from tests.reference.digest import Digest, parse_digest
from tests.reference.ecdsa import ecdsa_der
from tests.reference.head import parse_head
from tests.reference.message import Head
from tests.reference.refused import Refused
from tests.reference.select import Candidate, select
from tests.reference.structured import parse_structured, serialise_structured

__all__ = [
    "Candidate",
    "Digest",
    "Head",
    "Refused",
    "ecdsa_der",
    "parse_digest",
    "parse_head",
    "parse_structured",
    "select",
    "serialise_structured",
]
