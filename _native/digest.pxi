# Content-Digest (RFC 9530 §2): the two algorithms that are neither deprecated nor unknown.

@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Digest:
    cdef readonly bytes sha256, sha512

    def __init__(self, *args, **kwargs):
        raise TypeError("digests are made by parse_digest()")

    @property
    def known(self):
        return self.sha256 is not None or self.sha512 is not None

    def matches(self, bytes sha256, bytes sha512):
        # R10: every known algorithm in it, and at least one.
        if self.sha256 is None and self.sha512 is None:
            return False
        if self.sha256 is not None and self.sha256 != sha256:
            return False
        return self.sha512 is None or self.sha512 == sha512


def parse_digest(Head head not None):
    cdef Span text, key
    cdef bytes owner = field_text(head, <const char*>CONTENT_DIGEST.at, CONTENT_DIGEST.length, &text)
    cdef Cursor cursor
    cdef set others = None
    cdef int more
    cdef bint twice
    cdef Digest digest
    if owner is None:
        return None
    digest = Digest.__new__(Digest)
    more = begin(&cursor, text)
    while more > 0:
        if not member_value(&cursor, &key):
            raise Refused("digest.malformed", f"no algorithm with a value at octet {cursor.at - text.at}")
        octets = take_bytes(&cursor)
        if octets is None:
            raise Refused("digest.malformed", f"{shown(key)} is not a byte sequence in canonical base64 between colons")
        # Two values for one algorithm: the backend may read the other one.
        if spells(key, b"sha-256", 7):
            twice = digest.sha256 is not None
            digest.sha256 = octets
        elif spells(key, b"sha-512", 7):
            twice = digest.sha512 is not None
            digest.sha512 = octets
        else:
            if others is None:
                others = set()
            name = span_bytes(key)
            twice = name in others
            others.add(name)
        if twice:
            raise Refused("digest.malformed", f"{shown(key)} stands twice")
        more = next_member(&cursor)
    if more < 0:
        raise Refused("digest.malformed", f"after {shown(key)} (octet {cursor.at - text.at})")
    return digest
