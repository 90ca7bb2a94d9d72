"""Content-Digest (RFC 9530 §2): parse and compare."""

from dataclasses import dataclass

from tests.reference.message import Head
from tests.reference.refused import Refused
from tests.reference.structured import Malformed, has_duplicate, parse_verbatim


@dataclass(frozen=True)
class Digest:
    """What the field says for the two algorithms that are computed here."""

    sha256: bytes | None
    sha512: bytes | None

    @property
    def known(self) -> bool:
        return self.sha256 is not None or self.sha512 is not None

    def matches(self, sha256: bytes | None, sha512: bytes | None) -> bool:
        if not self.known:
            return False
        return self.sha256 in (None, sha256) and self.sha512 in (None, sha512)


def parse_digest(head: Head) -> Digest | None:
    lines = head.values(b"content-digest")
    if not lines:
        return None
    try:
        members = parse_verbatim("dictionary", b", ".join(lines))
    except Malformed as error:
        raise Refused("digest.malformed", str(error)) from None
    if has_duplicate(members) or not all(isinstance(value, bytes) for _, (value, _) in members):
        raise Refused("digest.malformed")
    found = {key: value for key, (value, _) in members}
    return Digest(found.get("sha-256"), found.get("sha-512"))
