# What the fields and the target of a head say together: framing, Host, connection, path and query.


cdef int judge_fields(Head head, int field_limit) except -1:
    """One pass over the names that decide about the message itself; R4, RFC 9112 §3.2, §6, §9.3."""
    cdef int index, hosts = 0, lengths = 0, codings = 0, options = 0
    cdef bint upgrade = False, unmet = False, close = False, persist = False
    cdef Field* line
    cdef const uint8_t* name
    cdef const uint8_t* value
    for index in range(head.field_count):
        line = &head.lines[index]
        name = head.lower + line.name
        value = head.data + line.value
        if line.name_len == 4:
            if memcmp(name, b"host", 4) == 0:
                hosts += 1
                head.host = head.value_at(index)
        elif line.name_len == 14:
            if memcmp(name, b"content-length", 14) == 0:
                lengths += 1
                head.content_length = read_length(value, line.value_len)
        elif line.name_len == 17:
            if memcmp(name, b"transfer-encoding", 17) == 0:
                codings += 1
                head.chunked = is_text(value, line.value_len, b"chunked", 7)
        elif line.name_len == 10:
            if memcmp(name, b"connection", 10) == 0:
                options += read_options(head, line, &close, &persist)
                if options > field_limit:
                    raise Refused("request.too_many_fields", f"Connection names more than {field_limit} options")
        elif line.name_len == 7:
            if memcmp(name, b"upgrade", 7) == 0:
                upgrade = True
        elif line.name_len == 6:
            if memcmp(name, b"expect", 6) == 0:
                head.expects_continue = is_text(value, line.value_len, b"100-continue", 12)
                unmet = unmet or not head.expects_continue
    # RFC 9112 §6.1 and §6.3 let a recipient prefer Transfer-Encoding, take equal lengths as one, and know more codings;
    # R4 does not.
    if lengths > 1 or codings > 1 or (lengths and codings):
        raise Refused("request.bad_framing", "Content-Length and Transfer-Encoding stand more than once in all")
    if lengths and head.content_length < 0:
        raise Refused("request.bad_framing", "Content-Length is not a decimal number within bounds")
    if codings and not head.chunked:
        raise Refused("request.bad_framing", "Transfer-Encoding is not `chunked`")
    if codings and head.minor == 0:
        raise Refused("request.bad_framing", "Transfer-Encoding in HTTP/1.0")
    if upgrade:
        raise Refused("request.upgrade_refused", "")
    if unmet:
        raise Refused("request.expectation_failed", "")
    # RFC 9110 §10.1.1: an HTTP/1.0 sender does not wait for 100 (Continue).
    head.expects_continue = head.expects_continue and head.minor == 1
    head.keep_alive = not close and (head.minor == 1 or persist)
    judge_target(head, hosts)
    return 0


cdef int judge_host(Head head, int hosts) except -1:
    """Exactly one valid Host (RFC 9112 §3.2); HTTP/1.0 may have none."""
    if hosts > 1:
        raise Refused("request.bad_host", f"{hosts} Host fields")
    if hosts == 0:
        if head.minor:
            raise Refused("request.bad_host", "no Host field")
        head.host = b""
    elif host_length(<const uint8_t*>PyBytes_AS_STRING(head.host), PyBytes_GET_SIZE(head.host)) < 0:
        raise Refused("request.bad_host", "Host is not a name or address with an optional port")
    return 0


cdef int64_t read_length(const uint8_t* text, Py_ssize_t length) noexcept:
    """`1*DIGIT`, at most 19 and at most 2^62 (RFC 9110 §8.6); -1 for all else."""
    cdef Py_ssize_t at
    cdef uint64_t number = 0
    if not 1 <= length <= 19:
        return -1
    for at in range(length):
        if not c"0" <= text[at] <= c"9":
            return -1
        number = number * 10 + (text[at] - c"0")  # 19 digits are below 2^64
    return <int64_t>number if number <= LENGTH_LIMIT else -1


cdef bint is_text(const uint8_t* text, Py_ssize_t length, const char* wanted, Py_ssize_t wanted_length) noexcept:
    """Equality with a lower-case text, the case of letters ignored."""
    cdef Py_ssize_t at
    if length != wanted_length:
        return False
    for at in range(length):
        if TCHAR_LOWER[text[at]] != <uint8_t>wanted[at]:
            return False
    return True


cdef Py_ssize_t next_option(const uint8_t* text, Py_ssize_t* at, Py_ssize_t length) noexcept:
    """Length of the next non-empty element of a list (RFC 9110 §5.6.1), -1 if there is none; `at` moves to it."""
    cdef Py_ssize_t begin, stop
    while at[0] < length and (text[at[0]] == c"," or text[at[0]] == SP or text[at[0]] == HTAB):
        at[0] += 1
    begin = stop = at[0]
    while stop < length and text[stop] != c",":
        stop += 1
    while stop > begin and (text[stop - 1] == SP or text[stop - 1] == HTAB):
        stop -= 1
    return stop - begin if stop > begin else -1


cdef int read_options(Head head, Field* line, bint* close, bint* persist) noexcept:
    """Count the options of one Connection line, notice `close` and `keep-alive`, put all in lower case into `lower`."""
    cdef uint8_t* text = head.lower + line.value
    cdef Py_ssize_t at, length
    cdef int count = 0
    for at in range(<Py_ssize_t>line.value_len):
        if c"A" <= text[at] <= c"Z":
            text[at] |= 0x20
    at = 0
    while True:
        length = next_option(text, &at, line.value_len)
        if length < 0:
            return count
        count += 1
        if length == 5 and memcmp(text + at, b"close", 5) == 0:
            close[0] = True
        elif length == 10 and memcmp(text + at, b"keep-alive", 10) == 0:
            persist[0] = True
        at += length


cdef int judge_target(Head head, int hosts) except -1:
    """Origin-form or absolute-form (RFC 9112 §3.2.1, §3.2.2); path and query stay as raw as they came."""
    cdef const uint8_t* target = <const uint8_t*>PyBytes_AS_STRING(head.target)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(head.target)
    cdef Py_ssize_t path = 0, stop
    cdef const uint8_t* mark
    # CONNECT is refused in any case: some readers take methods without regard to it.
    if is_text(<const uint8_t*>PyBytes_AS_STRING(head.method), PyBytes_GET_SIZE(head.method), b"connect", 7):
        raise Refused("request.bad_target", "CONNECT")
    # RFC 9113 §3.4: it begins HTTP/2. Parsers of HTTP/1.1 wait behind it for the rest of the preface, and answer nothing.
    if PyBytes_GET_SIZE(head.method) == 3 and memcmp(PyBytes_AS_STRING(head.method), b"PRI", 3) == 0:
        raise Refused("request.bad_version", "the preface of HTTP/2")
    if target[0] == c"/":
        judge_host(head, hosts)
    else:
        path = judge_absolute(head, hosts, target, length)
    mark = <const uint8_t*>memchr(target + path, c"?", length - path)
    stop = mark - target if mark != NULL else length
    head.query = None if mark == NULL else PyBytes_FromStringAndSize(<const char*>mark + 1, length - stop - 1)
    if path == 0 and stop == length:
        head.path = head.target
    elif path == stop:
        head.path = b"/"
    else:
        head.path = PyBytes_FromStringAndSize(<const char*>target + path, stop - path)
    return 0


cdef Py_ssize_t judge_absolute(Head head, int hosts, const uint8_t* target, Py_ssize_t length) except -1:
    """Length of scheme and authority of an absolute-form target; the authority must equal Host (R4)."""
    cdef Py_ssize_t begin, stop
    cdef bint secure = False
    if length >= 7 and is_text(target, 4, b"http", 4) and memcmp(target + 4, b"://", 3) == 0:
        begin = 7
    elif length >= 8 and is_text(target, 5, b"https", 5) and memcmp(target + 5, b"://", 3) == 0:
        begin = 8
        secure = True
    else:
        raise Refused("request.bad_target", "neither origin-form nor absolute-form with http or https")
    judge_host(head, hosts)
    stop = begin
    while stop < length and target[stop] != c"/" and target[stop] != c"?":
        stop += 1
    if host_length(target + begin, stop - begin) < 0 or not same_authority(
        target + begin,
        stop - begin,
        <const uint8_t*>PyBytes_AS_STRING(head.host),
        PyBytes_GET_SIZE(head.host),
        secure,
    ):
        raise Refused("request.bad_host", "the authority of the target is not that of Host")
    head.absolute = True
    return stop
