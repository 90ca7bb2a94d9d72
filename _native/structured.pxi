# Parameters, inner lists and members of structured fields (RFC 9651 §4.2): scanners that make no Python object.

cdef int scan_parameter(Cursor* cursor, Span* key, Bare* bare, bint* canonical) noexcept nogil:
    # One `;key[=bare]` (RFC 9651 §4.2.3.2). 1: there was one, 0: there is none, -1: malformed.
    if cursor.at >= cursor.end or cursor.at[0] != 59:
        return 0
    cursor.at += 1
    if cursor.at < cursor.end and cursor.at[0] == 32:
        canonical[0] = False
        skip_spaces(cursor)
    if not scan_key(cursor, key):
        return -1
    if cursor.at < cursor.end and cursor.at[0] == 61:
        cursor.at += 1
        if not scan_bare(cursor, bare):
            return -1
        # RFC 9651 §4.1.1.2: a parameter that is true is written without a value.
        if not bare.canonical or (bare.kind == BARE_BOOLEAN and bare.number == 1):
            canonical[0] = False
    else:
        bare.kind = BARE_BOOLEAN
        bare.number = 1
    return 1


cdef bint skip_parameters(Cursor* cursor) noexcept nogil:
    cdef Span key
    cdef Bare bare
    cdef bint canonical = True
    cdef int found
    while True:
        found = scan_parameter(cursor, &key, &bare, &canonical)
        if found <= 0:
            return found == 0


cdef bint skip_item(Cursor* cursor) noexcept nogil:
    cdef Bare bare
    return scan_bare(cursor, &bare) and skip_parameters(cursor)


cdef bint skip_member(Cursor* cursor) noexcept nogil:
    # An item or an inner list (RFC 9651 §4.2.1.1, §4.2.1.2), with its parameters.
    if cursor.at >= cursor.end or cursor.at[0] != 40:
        return skip_item(cursor)
    cursor.at += 1
    while True:
        skip_spaces(cursor)
        if cursor.at < cursor.end and cursor.at[0] == 41:
            cursor.at += 1
            return skip_parameters(cursor)
        if not skip_item(cursor):
            return False
        if cursor.at >= cursor.end or (cursor.at[0] != 32 and cursor.at[0] != 41):
            return False


cdef int next_member(Cursor* cursor) noexcept nogil:
    # Between two members of a list or dictionary (RFC 9651 §4.2.1, §4.2.2). 1: one follows, 0: the end, -1: malformed.
    skip_ows(cursor)
    if cursor.at >= cursor.end:
        return 0
    if cursor.at[0] != 44:
        return -1
    cursor.at += 1
    skip_ows(cursor)
    return 1 if cursor.at < cursor.end else -1


cdef str unescape(Span text):
    # The value of a string: backslashes out (RFC 9651 §4.2.5).
    cdef bytes raw = text.at[:text.length]
    if memchr(text.at, 92, text.length) != NULL:
        raw = _drop_backslashes(raw)
    return raw.decode("ascii")


cdef bytes _drop_backslashes(bytes raw):
    cdef bytearray out = bytearray()
    cdef Py_ssize_t i = 0
    while i < len(raw):
        if raw[i] == 92:
            i += 1
        out.append(raw[i])
        i += 1
    return bytes(out)


cdef bytes span_bytes(Span text):
    return text.at[:text.length]


cdef Py_ssize_t decoded_length(Span text) noexcept nogil:
    # How many octets base64 text of this length and padding stands for; -1 if no base64 has that length.
    cdef Py_ssize_t room = (text.length >> 2) * 3
    if text.length & 3:
        return -1
    if text.length and text.at[text.length - 1] == 61:
        room -= 1
        if text.at[text.length - 2] == 61:
            room -= 1
    return room


cdef bytes decode_span(Span text):
    # The octets of a byte sequence that has been scanned.
    cdef Py_ssize_t room = decoded_length(text)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, room)
    if base64_decode(text.at, text.length, <uint8_t*>PyBytes_AS_STRING(out)) != room:
        raise AssertionError("base64 was scanned before")
    return out
