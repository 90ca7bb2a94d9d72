# ECDSA signatures: r‖s of fixed size (RFC 9421 §3.3.4, §3.3.5) into the DER that libraries take.

# FIPS 186-5, SP 800-186 §3.2.1.3 and §3.2.1.4: the orders of P-256 and P-384.
cdef bytes ORDER_256 = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
cdef bytes ORDER_384 = bytes.fromhex(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
)


cdef Py_ssize_t der_integer(const uint8_t* number, Py_ssize_t size, uint8_t* out) noexcept nogil:
    # A positive INTEGER (X.690 §8.3): no leading zero octet but the one that keeps the sign. `out` has room for size + 3.
    cdef Py_ssize_t written = 2
    while size > 1 and number[0] == 0:
        number += 1
        size -= 1
    if number[0] & 128:
        out[2] = 0
        written = 3
    memcpy(out + written, number, size)
    out[0] = 2
    out[1] = <uint8_t>(written - 2 + size)
    return written + size


cdef bint in_range(const uint8_t* number, const uint8_t* order, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t any_bit = 0
    for i in range(size):
        any_bit |= number[i]
    return any_bit != 0 and memcmp(number, order, size) < 0


def ecdsa_der(bytes signature not None, int bits):
    cdef const uint8_t* octets = <const uint8_t*>PyBytes_AS_STRING(signature)
    cdef const uint8_t* order
    cdef Py_ssize_t size, length
    cdef uint8_t body[102]   # two INTEGERs of at most 48 + 3 octets
    if bits == 256:
        size = 32
        order = <const uint8_t*>PyBytes_AS_STRING(ORDER_256)
    elif bits == 384:
        size = 48
        order = <const uint8_t*>PyBytes_AS_STRING(ORDER_384)
    else:
        raise ValueError(f"no curve of {bits} bits here")
    if PyBytes_GET_SIZE(signature) != 2 * size:
        raise Refused("signature.bad_length", f"{len(signature)} octets instead of {2 * size}")
    if not in_range(octets, order, size) or not in_range(octets + size, order, size):
        raise Refused("signature.out_of_range", "r or s is not in 1 to n-1")
    length = der_integer(octets, size, body)
    length += der_integer(octets + size, size, body + length)
    # At most 102 octets, so the length always fits into one (X.690 §8.1.3.4).
    return b"\x30" + bytes((length,)) + body[:length]
