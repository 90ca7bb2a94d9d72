# Content-Digest (RFC 9530 §2): the two algorithms that are neither deprecated nor unknown.

cdef class Digest:
    cdef readonly bytes sha256, sha512

    def __init__(self):
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
    cdef bytes value = combined_value(head, <const char*>CONTENT_DIGEST.at, CONTENT_DIGEST.length)
    cdef Cursor cursor
    cdef Span key
    cdef Bare bare
    cdef set others = None
    cdef int more
    cdef Digest digest
    if value is None:
        return None
    digest = Digest.__new__(Digest)
    digest.sha256 = digest.sha512 = None
    cursor.at = <const uint8_t*>PyBytes_AS_STRING(value)
    cursor.end = cursor.at + PyBytes_GET_SIZE(value)
    skip_spaces(&cursor)
    more = 1 if cursor.at < cursor.end else 0
    while more > 0:
        if not scan_key(&cursor, &key):
            raise Refused("digest.malformed", "no algorithm name where one should be")
        if cursor.at >= cursor.end or cursor.at[0] != 61:
            raise Refused("digest.malformed", f"{shown(key)} is not a byte sequence")
        cursor.at += 1
        if not scan_bare(&cursor, &bare) or bare.kind != BARE_BYTES or not skip_parameters(&cursor):
            raise Refused("digest.malformed", f"{shown(key)} is not a byte sequence in canonical base64 between colons")
        if spells(key, b"sha-256", 7) and digest.sha256 is None:
            digest.sha256 = decode_span(bare.text)
        elif spells(key, b"sha-512", 7) and digest.sha512 is None:
            digest.sha512 = decode_span(bare.text)
        else:
            if others is None:
                others = set()
            name = span_bytes(key)
            # The backend may read the other one.
            if name in others or spells(key, b"sha-256", 7) or spells(key, b"sha-512", 7):
                raise Refused("digest.malformed", f"{shown(key)} stands twice")
            others.add(name)
        more = next_member(&cursor)
    if more < 0:
        raise Refused("digest.malformed", "a list separator is wrong")
    return digest
