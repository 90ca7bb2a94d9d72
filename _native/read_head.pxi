# From octets to a Head: request line, field lines, then what the fields say together.


def parse_head(bytes raw not None, int field_limit=100):
    return read_head(raw, field_limit)


cdef Head read_head(bytes raw, int field_limit):
    cdef Head head = Head.__new__(Head, HEAD_KEY)
    head.load(raw)
    if read_lines(head, read_request_line(head), field_limit) != PyBytes_GET_SIZE(raw):
        raise Refused("request.bad_framing", "octets behind the empty line of the head")
    judge_fields(head, field_limit)
    return head


cdef Py_ssize_t read_request_line(Head head) except -1:
    """`method SP request-target SP HTTP-version CRLF` (RFC 9112 §3); returns where the field lines begin."""
    cdef const uint8_t* data = head.data
    cdef Py_ssize_t at = 0, target
    while TCHAR_LOWER[data[at]]:
        at += 1
    if at == 0 or at > METHOD_LIMIT or data[at] != SP:
        raise Refused("request.bad_request_line", "it does not begin with a method of 1 to 32 token characters")
    head.method = PyBytes_FromStringAndSize(<const char*>data, at)
    at += 1
    target = at
    while TARGET_OCTET[data[at]]:
        at += 1
    # HTTP-version is case-sensitive (RFC 9112 §2.3).
    if (
        at == target
        or PyBytes_GET_SIZE(head.raw) - at < 11
        or memcmp(data + at, b" HTTP/1.", 8) != 0
        or (data[at + 8] != c"1" and data[at + 8] != c"0")
        or data[at + 9] != CR
        or data[at + 10] != LF
    ):
        raise request_line_refusal(head, target)
    head.target = PyBytes_FromStringAndSize(<const char*>data + target, at - target)
    head.minor = data[at + 8] - c"0"
    return at + 11


cdef object request_line_refusal(Head head, Py_ssize_t target):
    """The refusal of a request line whose method is good: of its ending, its version, its target, in this order."""
    line, ending, _ = head.raw.partition(b"\r\n")
    raw_target, _, version = line[target:].rpartition(b" ")
    if not ending or b"\r" in line or b"\n" in line:
        return Refused("request.bad_request_line", "it does not end with one CR and one LF")
    if not raw_target or raw_target.startswith(b" "):
        return Refused("request.bad_request_line", "no target or no version")
    if not version.startswith(b"HTTP/") or version[5:].strip(b"0123456789."):
        return Refused("request.bad_request_line", "it does not end with an HTTP version")
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        return Refused("request.bad_version", f"the version is {version[:12].decode()}")
    return Refused("request.bad_target", "a space, a control, `#` or an octet outside of ASCII in the target")


cdef Py_ssize_t read_lines(Head head, Py_ssize_t at, int field_limit) except -1:
    """`*( field-name ":" OWS field-value OWS CRLF ) CRLF` (RFC 9112 §5); returns where what follows begins."""
    cdef const uint8_t* data = head.data
    cdef uint8_t* lower = head.lower
    cdef Field* line
    cdef Py_ssize_t name, value, stop, size = PyBytes_GET_SIZE(head.raw)
    cdef uint8_t octet, seen
    while data[at] != CR or data[at + 1] != LF:
        if head.field_count >= field_limit:
            raise Refused("request.too_many_fields", f"more than {field_limit} field lines")
        name = at
        while True:
            octet = TCHAR_LOWER[data[at]]
            if octet == 0:
                break
            lower[at] = octet
            at += 1
        if data[at] != c":" or at == name:
            raise name_refusal(head, name, at)
        if head.field_count == head.room:
            head.grow()
        line = &head.lines[head.field_count]
        line.name = <uint32_t>name
        line.name_len = <uint32_t>(at - name)
        if head.reserved_line < 0 and folds_to_reserved(lower + name, at - name):
            head.reserved_line = head.field_count
        at += 1
        while data[at] == SP or data[at] == HTAB:
            at += 1
        value = at
        seen = 0
        at = skip_plain(data, at, size)
        while True:
            octet = VALUE_CLASS[data[at]]
            if octet == 0:
                break
            seen |= octet
            at += 1
        if data[at] != CR or data[at + 1] != LF:
            raise Refused(
                "request.bad_field", f"octet 0x{data[at]:02x} in the value of field line {head.field_count + 1}"
            )
        stop = at
        while stop > value and (data[stop - 1] == SP or data[stop - 1] == HTAB):
            stop -= 1
        if seen & 2:
            require_utf8(head, value, stop)
        line.value = <uint32_t>value
        line.value_len = <uint32_t>(stop - value)
        head.field_count += 1
        at += 2
    return at + 2


cdef inline Py_ssize_t skip_plain(const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept:
    """Skip eight octets at a time as long as all are VCHAR or SP; the tables judge the rest."""
    cdef uint64_t word, delete
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        delete = word ^ <uint64_t>0x7F7F7F7F7F7F7F7F
        # Highest bits: an octet below SP (borrow), an octet that is DEL (borrow), obs-text.
        if ((word - <uint64_t>0x2020202020202020) | (delete - <uint64_t>0x0101010101010101) | word) \
                & <uint64_t>0x8080808080808080:
            break
        at += 8
    return at


cdef object name_refusal(Head head, Py_ssize_t name, Py_ssize_t stop):
    cdef uint8_t octet = head.data[stop]
    cdef str what = f"octet 0x{octet:02x} in the name"
    if stop >= PyBytes_GET_SIZE(head.raw):
        what = "the head ends in the name"
    elif stop == name and (octet == SP or octet == HTAB):
        what = "folded line (obs-fold)"
    elif stop == name and octet == c":":
        what = "no name"
    elif octet == SP or octet == HTAB:
        what = "white space before the colon"
    elif octet == CR or octet == LF:
        what = "no colon"
    return Refused("request.bad_field", f"field line {head.field_count + 1}: {what}")


cdef int require_utf8(Head head, Py_ssize_t value, Py_ssize_t stop) except -1:
    """obs-text is taken only as UTF-8 (RFC 9110 §5.5 calls it opaque): it is then one text for all readers."""
    try:
        PyUnicode_DecodeUTF8(<const char*>head.data + value, stop - value, NULL)
    except UnicodeDecodeError as error:
        raise Refused("request.bad_field", f"field line {head.field_count + 1} is not UTF-8") from error
    return 0


cdef bint folds_to_reserved(const uint8_t* lower, Py_ssize_t length) noexcept:
    """R14: a lower-case name that folds to `wfm-` and anything; every Wfm-* name is ours, set today or not."""
    return length > 3 and lower[0] == c"w" and lower[1] == c"f" and lower[2] == c"m" and FOLDED[lower[3]] == c"-"
