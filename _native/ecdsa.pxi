# ECDSA signatures: r‖s of fixed size (RFC 9421 §3.3.4, §3.3.5) into the DER that libraries take.

# FIPS 186-5, SP 800-186 §3.2.1.3 and §3.2.1.4: the orders of P-256 and P-384.
cdef bytes ORDER_256 = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
cdef bytes ORDER_384 = bytes.fromhex(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
)


cdef inline Py_ssize_t leading_zeros(const uint8_t* number, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t zeros = 0
    while zeros < size - 1 and number[zeros] == 0:
        zeros += 1
    return zeros


cdef uint8_t* put_integer(uint8_t* out, const uint8_t* number, Py_ssize_t size) noexcept nogil:
    # A positive INTEGER (X.690 §8.3): no leading zero octet but the one that keeps the sign. Where it ends in `out`.
    cdef Py_ssize_t sign = number[0] >> 7
    out[0] = 2
    out[1] = <uint8_t>(size + sign)
    out[2] = 0
    memcpy(out + 2 + sign, number, size)
    return out + 2 + sign + size


cdef bint in_range(const uint8_t* number, const uint8_t* order, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t any_bit = 0
    for i in range(size):
        any_bit |= number[i]
    return any_bit != 0 and memcmp(number, order, size) < 0


def ecdsa_der(bytes signature not None, int bits):
    cdef const uint8_t* r = <const uint8_t*>PyBytes_AS_STRING(signature)
    cdef const uint8_t* s
    cdef const uint8_t* order
    cdef uint8_t* out
    cdef Py_ssize_t size, r_size, s_size, length
    cdef bytes der
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
    s = r + size
    if not in_range(r, order, size) or not in_range(s, order, size):
        raise Refused("signature.out_of_range", "r or s is not in 1 to n-1")
    r_size = size - leading_zeros(r, size)
    s_size = size - leading_zeros(s, size)
    r += size - r_size
    s += size - s_size
    # At most 102 octets, so the length always fits into one (X.690 §8.1.3.4).
    length = r_size + (r[0] >> 7) + s_size + (s[0] >> 7) + 4
    der = PyBytes_FromStringAndSize(NULL, length + 2)
    out = <uint8_t*>PyBytes_AS_STRING(der)
    out[0] = 48
    out[1] = <uint8_t>length
    put_integer(put_integer(out + 2, r, r_size), s, s_size)
    return der
