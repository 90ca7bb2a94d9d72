# Ed25519 (RFC 8032 §5.1.7, the equation without the cofactor), stricter than crypto_mb where that takes too much.

# RFC 8032 §5.1: the order L of the base point, lowest octet first as everything there.
cdef bytes GROUP_ORDER = bytes.fromhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")


cdef inline bint below_order(const uint8_t* number, const uint8_t* order) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(31, -1, -1):
        if number[i] != order[i]:
            return number[i] < order[i]
    return False


def verify_ed25519(list lanes not None):
    cdef Lane read[LANE_COUNT]
    cdef const ed25519_sign_component* r[LANE_COUNT]
    cdef const ed25519_sign_component* s[LANE_COUNT]
    cdef const uint8_t* messages[LANE_COUNT]
    cdef uint32_t lengths[LANE_COUNT]
    cdef const ed25519_public_key* points[LANE_COUNT]
    cdef unsigned int unsound = 0
    cdef const uint8_t* order = <const uint8_t*>PyBytes_AS_STRING(GROUP_ORDER)
    cdef mbx_status status
    cdef Py_ssize_t i
    cdef tuple held = tuple(lanes)
    read_lanes(held, read, 32, 64, -1)
    with nogil:
        for i in range(LANE_COUNT):
            r[i] = <const ed25519_sign_component*>read[i].signature
            s[i] = <const ed25519_sign_component*>(read[i].signature + 32)
            messages[i] = read[i].octets
            lengths[i] = read[i].length
            points[i] = <const ed25519_public_key*>read[i].point
            # crypto_mb calls S good as soon as one of its limbs is below that of L, so a signature would hold in two
            # spellings (RFC 8032 §8.4).
            if not below_order(read[i].signature + 32, order):
                unsound |= 1 << i
        status = mbx_ed25519_verify_mb8(r, s, messages, lengths, points)
    return answers(status, unsound, len(held))
