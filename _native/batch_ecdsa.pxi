# ECDSA over P-256 and P-384: r‖s as RFC 9421 §3.3.4 has it, the point as X‖Y, the digest as long as the order.

# SP 800-186 §3.2.1.3 and §3.2.1.4: the orders of P-256 and P-384.
cdef bytes ORDER_256 = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
cdef bytes ORDER_384 = bytes.fromhex(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"
)

cdef enum:
    MOST_LIMBS = 6

ctypedef unsigned long long Limb


cdef inline bint in_range(const uint8_t* number, const uint8_t* order, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t any_bit = 0
    for i in range(size):
        any_bit |= number[i]
    return any_bit != 0 and memcmp(number, order, size) < 0


cdef inline void to_limbs(Limb* limbs, const uint8_t* number, Py_ssize_t size) noexcept nogil:
    # Big-endian octets into 64-bit limbs, the lowest first.
    cdef Py_ssize_t i
    cdef Py_ssize_t k
    cdef Limb limb
    for i in range(size // 8):
        limb = 0
        for k in range(8):
            limb = (limb << 8) | number[size - 8 * (i + 1) + k]
        limbs[i] = limb


cdef list verify_ecdsa(list given, Py_ssize_t size, const uint8_t* order):
    cdef Lane lanes[LANE_COUNT]
    cdef Limb x_limbs[LANE_COUNT][MOST_LIMBS]
    cdef Limb y_limbs[LANE_COUNT][MOST_LIMBS]
    cdef const uint8_t* r[LANE_COUNT]
    cdef const uint8_t* s[LANE_COUNT]
    cdef const uint8_t* digests[LANE_COUNT]
    cdef const Limb* x[LANE_COUNT]
    cdef const Limb* y[LANE_COUNT]
    cdef bint sound[LANE_COUNT]
    cdef mbx_status status
    cdef Py_ssize_t i
    cdef tuple held = tuple(given)
    read_lanes(held, lanes, 2 * size, 2 * size, size)
    with nogil:
        for i in range(LANE_COUNT):
            r[i] = lanes[i].signature
            s[i] = lanes[i].signature + size
            digests[i] = lanes[i].octets
            # FIPS 186-5 §6.4.2 step 1.
            sound[i] = in_range(r[i], order, size) and in_range(s[i], order, size)
            to_limbs(x_limbs[i], lanes[i].point, size)
            to_limbs(y_limbs[i], lanes[i].point + size, size)
            x[i] = x_limbs[i]
            y[i] = y_limbs[i]
        # No Z: the points are affine.
        if size == 32:
            status = mbx_nistp256_ecdsa_verify_mb8(r, s, digests, x, y, NULL, NULL)
        else:
            status = mbx_nistp384_ecdsa_verify_mb8(r, s, digests, x, y, NULL, NULL)
    return answers(status, sound, len(held))


def verify_p256(list lanes not None):
    return verify_ecdsa(lanes, 32, <const uint8_t*>PyBytes_AS_STRING(ORDER_256))


def verify_p384(list lanes not None):
    return verify_ecdsa(lanes, 48, <const uint8_t*>PyBytes_AS_STRING(ORDER_384))
