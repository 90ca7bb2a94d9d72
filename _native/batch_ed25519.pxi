# Ed25519 (RFC 8032 §5.1.7, the equation without the cofactor), stricter than crypto_mb where that takes too much.

# RFC 8032 §5.1: the order L of the base point and the prime 2^255 - 19, lowest octet first as everything there.
cdef bytes GROUP_ORDER = bytes.fromhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
cdef bytes FIELD_PRIME = bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")


cdef inline bint below(const uint8_t* number, const uint8_t* bound, uint8_t top_mask) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint8_t octet
    for i in range(31, -1, -1):
        octet = number[i] & top_mask if i == 31 else number[i]
        if octet != bound[i]:
            return octet < bound[i]
    return False


def verify_ed25519(list lanes not None):
    cdef Lane read[LANE_COUNT]
    cdef const ed25519_sign_component* r[LANE_COUNT]
    cdef const ed25519_sign_component* s[LANE_COUNT]
    cdef const uint8_t* messages[LANE_COUNT]
    cdef uint32_t lengths[LANE_COUNT]
    cdef const ed25519_public_key* points[LANE_COUNT]
    cdef bint sound[LANE_COUNT]
    cdef const uint8_t* order = <const uint8_t*>PyBytes_AS_STRING(GROUP_ORDER)
    cdef const uint8_t* prime = <const uint8_t*>PyBytes_AS_STRING(FIELD_PRIME)
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
            # spellings (RFC 8032 §8.4). R and the key count in their one encoding only.
            sound[i] = (
                below(read[i].signature + 32, order, 0xFF)
                and below(read[i].signature, prime, 0x7F)
                and below(read[i].point, prime, 0x7F)
            )
        status = mbx_ed25519_verify_mb8(r, s, messages, lengths, points)
    return answers(status, sound, len(held))
