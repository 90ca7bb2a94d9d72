# Host and the authority of an absolute-form target (RFC 9110 §7.2, RFC 9112 §3.2, RFC 3986 §3.2).

cdef extern from "<arpa/inet.h>" nogil:
    enum: AF_INET6
    int inet_pton(int family, const char* text, void* address)


cdef Py_ssize_t ip_literal_length(const uint8_t* text, Py_ssize_t length) noexcept:
    """Length of `"[" IPv6address "]"` at the start of `text`; -1 if there is none."""
    cdef char plain[46]  # the longest address has 45 characters
    cdef char address[16]
    cdef Py_ssize_t at = 1
    while at < length and (HEX_VALUE[text[at]] < 16 or text[at] == c":" or text[at] == c"."):
        if at >= <Py_ssize_t>sizeof(plain):
            return -1
        plain[at - 1] = <char>text[at]
        at += 1
    if at >= length or text[at] != c"]" or at > <Py_ssize_t>sizeof(plain):
        return -1
    plain[at - 1] = 0
    return at + 1 if inet_pton(AF_INET6, plain, address) == 1 else -1


cdef Py_ssize_t host_length(const uint8_t* text, Py_ssize_t length) noexcept:
    """Length of the host in `uri-host [ ":" port ]`; -1 if the text is not one.

    Narrower than RFC 3986: no empty host, no empty port, no IPvFuture, no zone.
    """
    cdef Py_ssize_t at = 0, stop
    cdef int port = 0
    if length > 0 and text[0] == c"[":
        at = ip_literal_length(text, length)
        if at < 0:
            return -1
    else:
        while at < length:
            if REG_NAME_OCTET[text[at]]:
                at += 1
            elif text[at] == c"%" and length - at > 2 and HEX_VALUE[text[at + 1]] < 16 and HEX_VALUE[text[at + 2]] < 16:
                at += 3
            else:
                break
    stop = at
    if stop == 0:
        return -1
    if at == length:
        return stop
    if text[at] != c":" or length - at < 2 or length - at > 6:
        return -1
    for at in range(stop + 1, length):
        if not c"0" <= text[at] <= c"9":
            return -1
        port = port * 10 + text[at] - c"0"
    return stop if port <= 65535 else -1


cdef bint same_authority(
    const uint8_t* one, Py_ssize_t one_length, const uint8_t* other, Py_ssize_t other_length, bint secure
) noexcept:
    """Do two authorities name the same place, whatever the case, with the scheme's default port or without (R4)?"""
    cdef Py_ssize_t at
    one_length = without_default_port(one, one_length, secure)
    other_length = without_default_port(other, other_length, secure)
    if one_length != other_length:
        return False
    for at in range(one_length):
        if (one[at] | 0x20 if c"A" <= one[at] <= c"Z" else one[at]) != (
            other[at] | 0x20 if c"A" <= other[at] <= c"Z" else other[at]
        ):
            return False
    return True


cdef Py_ssize_t without_default_port(const uint8_t* text, Py_ssize_t length, bint secure) noexcept:
    if secure:
        return length - 4 if length > 4 and memcmp(text + length - 4, b":443", 4) == 0 else length
    return length - 3 if length > 3 and memcmp(text + length - 3, b":80", 3) == 0 else length
