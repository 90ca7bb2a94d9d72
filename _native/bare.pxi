# Keys and bare items of structured fields (RFC 9651 §4.2.3.1 to §4.2.10): scanners that make no Python object.

cdef enum BareKind:
    BARE_INTEGER = 1
    BARE_DECIMAL
    BARE_STRING
    BARE_TOKEN
    BARE_BYTES
    BARE_BOOLEAN
    BARE_DATE
    BARE_DISPLAY

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end

cdef struct Span:
    const uint8_t* at
    Py_ssize_t length

cdef struct Bare:
    BareKind kind
    int64_t number   # integer, date, boolean; a decimal's value in thousandths
    Span text        # string, display: between the quotes; byte sequence: between the colons; else: all of it
    bint canonical   # the text is the one that RFC 9651 §4.1 would write

# What a byte may be, one bit a class.
cdef enum:
    C_DIGIT = 1
    C_LCALPHA = 2
    C_UALPHA = 4
    C_TCHAR = 8      # RFC 9110 §5.6.2
    C_KEY = 16       # lcalpha / DIGIT / "_" / "-" / "." / "*"
    C_BASE64 = 32
    C_TOKEN = 64     # tchar / ":" / "/"
    C_PLAIN = 128    # may stand in a string as it is: printable, neither quote nor backslash

cdef uint8_t CLASS[256]
cdef uint8_t BASE64_VALUE[256]


cdef void _fill_classes() noexcept:
    cdef int c
    cdef bytes alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for c in range(256):
        CLASS[c] = 0
        BASE64_VALUE[c] = 255
    for c in range(48, 58):
        CLASS[c] = C_DIGIT | C_TCHAR | C_KEY | C_BASE64 | C_TOKEN
    for c in range(97, 123):
        CLASS[c] = C_LCALPHA | C_TCHAR | C_KEY | C_BASE64 | C_TOKEN
    for c in range(65, 91):
        CLASS[c] = C_UALPHA | C_TCHAR | C_BASE64 | C_TOKEN
    for c in b"!#$%&'*+-.^_`|~":
        CLASS[c] |= C_TCHAR | C_TOKEN
    for c in b":/":
        CLASS[c] |= C_TOKEN
    for c in b"_-.*":
        CLASS[c] |= C_KEY
    for c in b"+/":
        CLASS[c] |= C_BASE64
    for c in range(32, 127):
        if c != 34 and c != 92:
            CLASS[c] |= C_PLAIN
    for c in range(64):
        BASE64_VALUE[alphabet[c]] = c

_fill_classes()


cdef inline void skip_spaces(Cursor* cursor) noexcept nogil:
    while cursor.at < cursor.end and cursor.at[0] == 32:
        cursor.at += 1


cdef inline void skip_ows(Cursor* cursor) noexcept nogil:
    while cursor.at < cursor.end and (cursor.at[0] == 32 or cursor.at[0] == 9):
        cursor.at += 1


cdef bint scan_key(Cursor* cursor, Span* key) noexcept nogil:
    # RFC 9651 §4.2.3.3: key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )
    cdef const uint8_t* at = cursor.at
    if at >= cursor.end or not (CLASS[at[0]] & C_LCALPHA or at[0] == 42):
        return False
    while at < cursor.end and CLASS[at[0]] & C_KEY:
        at += 1
    key.at = cursor.at
    key.length = at - cursor.at
    cursor.at = at
    return True


cdef bint scan_number(Cursor* cursor, Bare* bare) noexcept nogil:
    # RFC 9651 §4.2.4: at most 15 digits; a decimal has at most 12 before and 1 to 3 after its point.
    cdef const uint8_t* at = cursor.at
    cdef const uint8_t* digits
    cdef int whole, fraction = 0
    cdef int64_t value = 0
    cdef bint negative = False
    if at < cursor.end and at[0] == 45:
        negative = True
        at += 1
    digits = at
    while at < cursor.end and CLASS[at[0]] & C_DIGIT:
        if at - digits >= 15:
            return False
        value = value * 10 + (at[0] - 48)
        at += 1
    whole = <int>(at - digits)
    if whole == 0:
        return False
    bare.kind = BARE_INTEGER
    bare.canonical = not (digits[0] == 48 and (whole > 1 or negative))
    if at < cursor.end and at[0] == 46:
        if whole > 12:
            return False
        at += 1
        while at < cursor.end and CLASS[at[0]] & C_DIGIT:
            if fraction >= 3:
                return False
            value = value * 10 + (at[0] - 48)
            fraction += 1
            at += 1
        if fraction == 0:
            return False
        bare.kind = BARE_DECIMAL
        # RFC 9651 §4.1.5: no leading zeros, no trailing zeros but the one after the point, no minus before zero.
        bare.canonical = (
            not (digits[0] == 48 and whole > 1)
            and not (fraction > 1 and (at - 1)[0] == 48)
            and not (negative and value == 0)
        )
        while fraction < 3:
            value *= 10
            fraction += 1
    bare.number = -value if negative else value
    bare.text.at = cursor.at
    bare.text.length = at - cursor.at
    cursor.at = at
    return True


cdef bint scan_string(Cursor* cursor, Bare* bare) noexcept nogil:
    # RFC 9651 §4.2.5; the cursor stands on the opening quote.
    cdef const uint8_t* at = cursor.at + 1
    bare.kind = BARE_STRING
    bare.canonical = True
    bare.text.at = at
    while at < cursor.end:
        if CLASS[at[0]] & C_PLAIN:
            at += 1
        elif at[0] == 34:
            bare.text.length = at - bare.text.at
            cursor.at = at + 1
            return True
        elif at[0] == 92 and cursor.end - at > 1 and (at[1] == 34 or at[1] == 92):
            at += 2
        else:
            return False
    return False


cdef Py_ssize_t base64_decode(const uint8_t* text, Py_ssize_t length, uint8_t* out) noexcept nogil:
    # Strict (RFC 4648 §3.3, §3.5): padded to a multiple of four, pad bits zero. RFC 9651 §4.2.7 lets a parser be lenient
    # about both; we are not, so that one value has one spelling. `out` may be NULL to check only. -1: not base64.
    cdef Py_ssize_t data = length, written = 0, i = 0
    cdef uint32_t a, b, c, d
    if length & 3:
        return -1
    if length == 0:
        return 0
    if text[length - 1] == 61:
        data -= 1
        if text[length - 2] == 61:
            data -= 1
    while i + 4 <= data:
        a = BASE64_VALUE[text[i]]
        b = BASE64_VALUE[text[i + 1]]
        c = BASE64_VALUE[text[i + 2]]
        d = BASE64_VALUE[text[i + 3]]
        if (a | b | c | d) & 192:
            return -1
        if out != NULL:
            out[written] = <uint8_t>(a << 2 | b >> 4)
            out[written + 1] = <uint8_t>((b << 4 | c >> 2) & 255)
            out[written + 2] = <uint8_t>((c << 6 | d) & 255)
        written += 3
        i += 4
    if data - i == 2 or data - i == 3:
        a = BASE64_VALUE[text[i]]
        b = BASE64_VALUE[text[i + 1]]
        c = BASE64_VALUE[text[i + 2]] if data - i == 3 else 0
        if (a | b | c) & 192:
            return -1
        if (data - i == 2 and b & 15) or (data - i == 3 and c & 3):
            return -1
        if out != NULL:
            out[written] = <uint8_t>(a << 2 | b >> 4)
        written += 1
        if data - i == 3:
            if out != NULL:
                out[written] = <uint8_t>((b << 4 | c >> 2) & 255)
            written += 1
    elif data != i:
        return -1
    return written


cdef bint scan_bytes(Cursor* cursor, Bare* bare) noexcept nogil:
    # RFC 9651 §4.2.7; the cursor stands on the opening colon.
    cdef const uint8_t* start = cursor.at + 1
    cdef const uint8_t* close = <const uint8_t*>memchr(start, 58, cursor.end - start) if start < cursor.end else NULL
    if close == NULL or base64_decode(start, close - start, NULL) < 0:
        return False
    bare.kind = BARE_BYTES
    bare.canonical = True
    bare.text.at = start
    bare.text.length = close - start
    cursor.at = close + 1
    return True


cdef inline int _lower_hex(uint8_t c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    return -1


cdef bint scan_display(Cursor* cursor, Bare* bare) noexcept nogil:
    # RFC 9651 §4.2.10: %"..." with lower-case percent-encoding of UTF-8; the octets are decoded, and checked, later.
    cdef const uint8_t* at = cursor.at + 2
    if cursor.end - cursor.at < 2 or cursor.at[1] != 34:
        return False
    bare.kind = BARE_DISPLAY
    bare.canonical = False   # an octet may have been escaped without need
    bare.text.at = at
    while at < cursor.end:
        if at[0] < 32 or at[0] > 126:
            return False
        if at[0] == 34:
            bare.text.length = at - bare.text.at
            cursor.at = at + 1
            return _display_is_utf8(bare.text)
        if at[0] == 37:
            if cursor.end - at < 3 or _lower_hex(at[1]) < 0 or _lower_hex(at[2]) < 0:
                return False
            at += 3
        else:
            at += 1
    return False


cdef inline uint8_t _display_octet(const uint8_t** at) noexcept nogil:
    cdef uint8_t octet = at[0][0]
    if octet == 37:
        octet = <uint8_t>(_lower_hex(at[0][1]) << 4 | _lower_hex(at[0][2]))
        at[0] += 3
    else:
        at[0] += 1
    return octet


cdef bint _display_is_utf8(Span text) noexcept nogil:
    # RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF.
    cdef const uint8_t* at = text.at
    cdef const uint8_t* end = text.at + text.length
    cdef uint8_t octet, low, high
    cdef int more
    while at < end:
        octet = _display_octet(&at)
        if octet < 128:
            continue
        low, high = 128, 191
        if 194 <= octet <= 223:
            more = 1
        elif 224 <= octet <= 239:
            more = 2
            if octet == 224:
                low = 160
            elif octet == 237:
                high = 159
        elif 240 <= octet <= 244:
            more = 3
            if octet == 240:
                low = 144
            elif octet == 244:
                high = 143
        else:
            return False
        while more > 0:
            if at >= end:
                return False
            octet = _display_octet(&at)
            if octet < low or octet > high:
                return False
            low, high = 128, 191
            more -= 1
    return True


cdef bint scan_bare(Cursor* cursor, Bare* bare) noexcept nogil:
    # RFC 9651 §4.2.3.1
    cdef uint8_t first
    if cursor.at >= cursor.end:
        return False
    first = cursor.at[0]
    if first == 34:
        return scan_string(cursor, bare)
    if first == 45 or CLASS[first] & C_DIGIT:
        return scan_number(cursor, bare)
    if first == 58:
        return scan_bytes(cursor, bare)
    if first == 63:
        if cursor.end - cursor.at < 2 or (cursor.at[1] != 48 and cursor.at[1] != 49):
            return False
        bare.kind = BARE_BOOLEAN
        bare.canonical = True
        bare.number = cursor.at[1] - 48
        cursor.at += 2
        return True
    if CLASS[first] & (C_LCALPHA | C_UALPHA) or first == 42:
        bare.kind = BARE_TOKEN
        bare.canonical = True
        bare.text.at = cursor.at
        while cursor.at < cursor.end and CLASS[cursor.at[0]] & C_TOKEN:
            cursor.at += 1
        bare.text.length = cursor.at - bare.text.at
        return True
    if first == 64:
        cursor.at += 1
        if not scan_number(cursor, bare) or bare.kind != BARE_INTEGER:
            return False
        bare.kind = BARE_DATE
        return True
    if first == 37:
        return scan_display(cursor, bare)
    return False
