# Octet classes of RFC 9110 and RFC 3986 as tables, so that a head is judged octet by octet in one pass.
# NUL has class 0 in every table: the NUL behind the data of a bytes object ends every scan.

cdef uint8_t TCHAR_LOWER[256]     # a tchar in lower case (RFC 9110 §5.6.2), 0 for all else
cdef uint8_t VALUE_CLASS[256]     # 1: VCHAR, SP, HTAB; 2: obs-text (RFC 9110 §5.5); 0: controls
cdef uint8_t TARGET_OCTET[256]    # 1: VCHAR but "#": what a request target may hold (RFC 9112 §3.2)
cdef uint8_t REG_NAME_OCTET[256]  # 1: unreserved or sub-delims (RFC 3986 §3.2.2); "%" is judged apart
cdef uint8_t HEX_VALUE[256]       # value of a hexadecimal digit, 16 for all else
cdef uint8_t FOLDED[256]          # R14: letters in lower case, digits, and "-" for all else


cdef void fill_octet_tables():
    for octet in range(256):
        VALUE_CLASS[octet] = 2 if octet >= 0x80 else 0x20 <= octet < 0x7F or octet == 0x09
        TARGET_OCTET[octet] = 0x20 < octet < 0x7F and octet != 0x23
        HEX_VALUE[octet] = 16
        FOLDED[octet] = 0x2D
    for octet in b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        TCHAR_LOWER[octet] = FOLDED[octet] = ord(chr(octet).lower())
        REG_NAME_OCTET[octet] = 1
    for octet in b"!#$%&'*+-.^_`|~":
        TCHAR_LOWER[octet] = octet
    for octet in b"-._~!$&'()*+,;=":
        REG_NAME_OCTET[octet] = 1
    for octet in b"0123456789abcdefABCDEF":
        HEX_VALUE[octet] = int(chr(octet), 16)


fill_octet_tables()
