# What a covered component is: its name, its parameters, and which of the derived ones it means (RFC 9421 §2).

cdef enum ComponentKind:
    FIELD = 0
    METHOD
    TARGET_URI
    AUTHORITY
    SCHEME
    REQUEST_TARGET
    PATH
    QUERY
    QUERY_PARAM

cdef enum:
    P_SF = 1
    P_BS = 2
    P_KEY = 4
    P_NAME = 8
    P_REQ = 16
    P_TR = 32
    COMPONENT_LIMIT = 32    # R5
    LABEL_LIMIT = 8         # R5

cdef struct Component:
    ComponentKind kind
    uint8_t flags
    Span name       # as the identifier has it
    Span text       # the whole identifier, with its parameters, as the base has it
    Span argument   # value of key or name, between its quotes
    bint digest     # content-digest, however capitalised

cdef Span CONTENT_DIGEST
CONTENT_DIGEST.at = <const uint8_t*>b"content-digest"
CONTENT_DIGEST.length = 14


cdef inline bint same(Span a, Span b) noexcept nogil:
    return a.length == b.length and memcmp(a.at, b.at, a.length) == 0


cdef inline bint spells(Span a, const char* text, Py_ssize_t length) noexcept nogil:
    return a.length == length and memcmp(a.at, text, length) == 0


cdef int derived_kind(Span name) noexcept nogil:
    # RFC 9421 §2.2; @status is for responses. -1: not one that a request can have.
    if spells(name, b"@method", 7):
        return METHOD
    if spells(name, b"@target-uri", 11):
        return TARGET_URI
    if spells(name, b"@authority", 10):
        return AUTHORITY
    if spells(name, b"@path", 5):
        return PATH
    if spells(name, b"@query", 6):
        return QUERY
    if spells(name, b"@scheme", 7):
        return SCHEME
    if spells(name, b"@request-target", 15):
        return REQUEST_TARGET
    if spells(name, b"@query-param", 12):
        return QUERY_PARAM
    return -1


cdef bint is_content_digest(Span name) noexcept nogil:
    cdef Py_ssize_t i
    if name.length != 14:
        return False
    for i in range(14):
        # Setting bit 5 folds letters; it also turns CR (13) into "-", which no scanned name can hold.
        if (name.at[i] | 32) != CONTENT_DIGEST.at[i]:
            return False
    return True


cdef str shown(Span text):
    # A name as it may stand in a detail: short and printable.
    cdef bytes raw = text.at[:text.length if text.length < 64 else 64]
    return raw.decode("ascii", "replace")
