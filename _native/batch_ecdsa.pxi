# ECDSA over P-256 and P-384: r‖s as RFC 9421 §3.3.4 has it, the point as X‖Y, the digest as long as the order.

cdef enum:
    MOST_LIMBS = 6

ctypedef unsigned long long Limb


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


cdef list verify_ecdsa(list given, Py_ssize_t size):
    cdef Lane lanes[LANE_COUNT]
    cdef Limb x_limbs[LANE_COUNT][MOST_LIMBS]
    cdef Limb y_limbs[LANE_COUNT][MOST_LIMBS]
    cdef const uint8_t* r[LANE_COUNT]
    cdef const uint8_t* s[LANE_COUNT]
    cdef const uint8_t* digests[LANE_COUNT]
    cdef const Limb* x[LANE_COUNT]
    cdef const Limb* y[LANE_COUNT]
    cdef mbx_status status
    cdef Py_ssize_t i
    cdef tuple held = tuple(given)
    read_lanes(held, lanes, 2 * size, 2 * size, size)
    with nogil:
        for i in range(LANE_COUNT):
            r[i] = lanes[i].signature
            s[i] = lanes[i].signature + size
            digests[i] = lanes[i].octets
            to_limbs(x_limbs[i], lanes[i].point, size)
            to_limbs(y_limbs[i], lanes[i].point + size, size)
            x[i] = x_limbs[i]
            y[i] = y_limbs[i]
        # No Z: the points are affine. That r and s are in range (FIPS 186-5 §6.4.2) is checked in there.
        if size == 32:
            status = mbx_nistp256_ecdsa_verify_mb8(r, s, digests, x, y, NULL, NULL)
        else:
            status = mbx_nistp384_ecdsa_verify_mb8(r, s, digests, x, y, NULL, NULL)
    return answers(status, 0, len(held))


def verify_p256(list lanes not None):
    return verify_ecdsa(lanes, 32)


def verify_p384(list lanes not None):
    return verify_ecdsa(lanes, 48)
