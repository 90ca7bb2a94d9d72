# Which field lines go on to the backend: R15 and the hop-by-hop fields of RFC 9110 §7.6.1.

cdef enum:
    NAMES_LIMIT = 48


cdef struct RemovedName:
    const char* text    # folded
    uint32_t length
    bint prefix         # all names that begin so


cdef RemovedName REMOVED[NAMES_LIMIT]
cdef uint8_t REMOVED_FROM[256]  # by first letter: REMOVED[REMOVED_FROM[c]:REMOVED_FROM[c + 1]]

# Names are compared folded (R14), because backends of CGI descent read `X_Forwarded_For` as `X-Forwarded-For`.
# A star at the end stands for any rest.
cdef tuple REMOVED_NAMES = tuple(sorted((
    # This hop's own: RFC 9110 §7.6.1, RFC 7540 §3.2.1, and the expectation, which we have answered.
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"proxy-authenticate", b"proxy-authorization", b"http2-settings", b"expect",
    # Framing and place: the caller sets them from what was verified.
    b"host", b"content-length",
    # Where it came from, as only we may tell it.
    b"forwarded", b"x-forwarded*", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip",
    b"cf-connecting-ip",
    # Another target or method than the one that was signed.
    b"x-original-url", b"x-rewrite-url", b"x-http-method", b"x-http-method-override", b"x-method-override",
    # Another identity (R24).
    b"client-cert", b"client-cert-chain", b"x-client-cert*", b"x-ssl-client*", b"ssl-client-*", b"x-amzn-mtls-*",
    b"x-ssl-cert*", b"x-client-dn", b"x-client-verify", b"x-tls-client-*", b"x-arr-clientcert", b"cf-client-cert-*",
    b"wfm-*",
    # CGI would make HTTP_PROXY of it (CVE-2016-5385).
    b"proxy",
)))

# What the verification reads whatever is covered.
cdef list READ_NAMES = [b"signature", b"signature-input", b"content-digest"]


cdef int fill_removed_names() except -1:
    cdef bytes name
    cdef int index = 0, octet
    if len(REMOVED_NAMES) > NAMES_LIMIT:
        raise OverflowError("NAMES_LIMIT")
    for octet in range(255):
        REMOVED_FROM[octet] = index
        while index < len(REMOVED_NAMES) and <uint8_t>PyBytes_AS_STRING(REMOVED_NAMES[index])[0] == octet:
            name = REMOVED_NAMES[index]
            REMOVED[index].text = PyBytes_AS_STRING(name)
            REMOVED[index].prefix = name.endswith(b"*")
            REMOVED[index].length = <uint32_t>PyBytes_GET_SIZE(name) - REMOVED[index].prefix
            index += 1
    REMOVED_FROM[255] = index
    return 0


fill_removed_names()


cdef bint folds_to(const uint8_t* lower, const uint8_t* text, Py_ssize_t length) noexcept:
    """Are two lower-case names the same once folded (R14)?"""
    cdef Py_ssize_t at
    for at in range(length):
        if lower[at] != text[at] and FOLDED[lower[at]] != FOLDED[text[at]]:
            return False
    return True


cdef bint is_removed(const uint8_t* lower, uint32_t length) noexcept:
    cdef int index
    cdef RemovedName* removed
    cdef uint8_t first = FOLDED[lower[0]]
    for index in range(REMOVED_FROM[first], REMOVED_FROM[first + 1]):
        removed = &REMOVED[index]
        if (length == removed.length or (removed.prefix and length > removed.length)) and folds_to(
            lower, <const uint8_t*>removed.text, removed.length
        ):
            return True
    return False


cdef list verified_names(candidate):
    """Lower-case names of the fields whose values were verified or read for that; all are bytes."""
    cdef list names = READ_NAMES
    if candidate is not None:
        names = READ_NAMES + candidate.field_names()
        for name in names:
            if type(name) is not bytes:
                raise TypeError("field names are bytes")
    return names


cdef bint is_verified(const uint8_t* lower, Py_ssize_t length, list verified, bint* shadows) noexcept:
    """Does the name stand in `verified`? Else `shadows` tells if a backend that folds names takes it for one."""
    cdef Py_ssize_t index
    cdef const uint8_t* text
    shadows[0] = False
    for index in range(len(verified)):
        if PyBytes_GET_SIZE(verified[index]) == length:
            text = <const uint8_t*>PyBytes_AS_STRING(verified[index])
            if memcmp(lower, text, length) == 0:
                return True
            shadows[0] = shadows[0] or folds_to(lower, text, length)
    return False


cdef void mark_named(Head head, list verified, uint8_t* named) noexcept:
    """Mark the lines that Connection names (RFC 9110 §7.6.1), but none that is verified or describes content (R15)."""
    cdef int index = -1, line
    cdef const uint8_t* options
    cdef Py_ssize_t at, length
    cdef bint shadows
    while True:
        index = head.find(b"connection", 10, index + 1)
        if index < 0:
            return
        options = head.lower + head.lines[index].value
        at = 0
        while True:
            length = next_option(options, &at, head.lines[index].value_len)
            if length < 0:
                break
            if (
                not (length >= 8 and folds_to(options + at, b"content-", 8))
                and not (length >= 9 and folds_to(options + at, b"signature", 9))
                and not is_verified(options + at, length, verified, &shadows)
            ):
                line = head.find(options + at, length, 0)
                while line >= 0:
                    named[line] = 1
                    line = head.find(options + at, length, line + 1)
            at += length


def forward_fields(Head head not None, candidate, allowed, bytes without=None):
    cdef list verified = verified_names(candidate)
    cdef OctetBuffer kept
    cdef int index
    cdef Field* line
    cdef const uint8_t* lower
    cdef bint shadows
    cdef bint is_read
    cdef bytes name
    cdef uint8_t* named = <uint8_t*>calloc(head.field_count + 1, 1)
    if named == NULL:
        raise MemoryError
    kept.octets = NULL
    kept.size = kept.room = 0
    try:
        mark_named(head, verified, named)
        for index in range(head.field_count):
            line = &head.lines[index]
            lower = head.lower + line.name
            if named[index] or is_removed(lower, line.name_len):
                continue
            is_read = is_verified(lower, line.name_len, verified, &shadows)
            if not is_read and shadows:
                continue
            if without is not None and not is_read and line.name_len == PyBytes_GET_SIZE(without):
                if folds_to(lower, <const uint8_t*>PyBytes_AS_STRING(without), line.name_len):
                    continue
            if allowed is not None:
                name = PyBytes_FromStringAndSize(<const char*>lower, line.name_len)
                if name not in READ_NAMES and name not in allowed:
                    continue
            append_octets(&kept, head.data + line.name, line.name_len)
            append_octets(&kept, b": ", 2)
            append_octets(&kept, head.data + line.value, line.value_len)
            append_octets(&kept, b"\r\n", 2)
        return PyBytes_FromStringAndSize(<const char*>kept.octets, kept.size) if kept.size else b""
    finally:
        release_octets(&kept)
        free(named)
