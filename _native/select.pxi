# All signatures of a request: Signature-Input and Signature, label by label (RFC 9421 §4, R8).

cdef bytes combined_value(Head head, const char* name, Py_ssize_t length):
    # All lines of a field as one value (RFC 9110 §5.3); None if there is none.
    cdef int i = head.find(<const uint8_t*>name, length, 0)
    cdef bytes value
    if i < 0:
        return None
    value = line_value(head, i)
    i = head.find(<const uint8_t*>name, length, i + 1)
    if i < 0:
        return value
    lines = [value]
    while i >= 0:
        lines.append(line_value(head, i))
        i = head.find(<const uint8_t*>name, length, i + 1)
    return b", ".join(lines)


cdef inline bytes line_value(Head head, int i):
    return (head.data + head.lines[i].value)[:head.lines[i].value_len]


cdef object refuse_input(str detail):
    return Refused("signature.malformed_input", detail)


cdef dict read_signature_input(Message message, bytes value, bint capital_content_digest):
    # label -> Candidate, in field order.
    cdef Cursor cursor
    cdef Span key
    cdef dict candidates = {}
    cdef set labels = set()
    cdef int more
    cdef Candidate candidate
    cdef bint duplicate = False
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(value)
    cursor.at = start
    cursor.end = start + PyBytes_GET_SIZE(value)
    skip_spaces(&cursor)
    more = 1 if cursor.at < cursor.end else 0
    while more > 0:
        if not scan_key(&cursor, &key):
            raise refuse_input(f"no label at octet {cursor.at - start}")
        if cursor.at >= cursor.end or cursor.at[0] != 61:
            raise refuse_input(f"{shown(key)} is not an inner list")
        cursor.at += 1
        candidate = read_candidate(message, &cursor, capital_content_digest)
        if candidate is None:
            raise refuse_input(f"{shown(key)} is not a well-formed inner list of strings (octet {cursor.at - start})")
        label = span_bytes(key).decode("ascii")
        if label in labels:
            duplicate = True
        labels.add(label)
        if len(labels) <= LABEL_LIMIT:
            candidate.label = label
            candidates[label] = candidate
        more = next_member(&cursor)
        if more < 0:
            raise refuse_input(f"after {shown(key)} (octet {cursor.at - start})")
    if not labels:
        raise refuse_input("empty")
    if duplicate:
        raise Refused("signature.duplicate_label", "in Signature-Input")
    if len(labels) > LABEL_LIMIT:
        raise Refused("signature.too_many_labels", f"{len(labels)} labels")
    return candidates


cdef object refuse_value(str detail):
    return Refused("signature.malformed_value", detail)


cdef dict read_signature(bytes value):
    # label -> octets of the signature.
    cdef Cursor cursor
    cdef Span key
    cdef Bare bare
    cdef dict signatures = {}
    cdef int more
    cdef bint duplicate = False
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(value)
    cursor.at = start
    cursor.end = start + PyBytes_GET_SIZE(value)
    skip_spaces(&cursor)
    more = 1 if cursor.at < cursor.end else 0
    while more > 0:
        if not scan_key(&cursor, &key):
            raise refuse_value(f"no label at octet {cursor.at - start}")
        if cursor.at >= cursor.end or cursor.at[0] != 61:
            raise refuse_value(f"{shown(key)} is not a byte sequence")
        cursor.at += 1
        # RFC 9421 §4.2; parameters have no meaning here.
        if not scan_bare(&cursor, &bare) or bare.kind != BARE_BYTES or not skip_parameters(&cursor):
            raise refuse_value(f"{shown(key)} is not a byte sequence in canonical base64 between colons")
        label = span_bytes(key).decode("ascii")
        if label in signatures:
            duplicate = True
        signatures[label] = decode_span(bare.text)
        more = next_member(&cursor)
        if more < 0:
            raise refuse_value(f"after {shown(key)} (octet {cursor.at - start})")
    if not signatures:
        raise refuse_value("empty")
    if duplicate:
        raise Refused("signature.duplicate_label", "in Signature")
    if len(signatures) > LABEL_LIMIT:
        raise Refused("signature.too_many_labels", f"{len(signatures)} labels")
    return signatures


def select(Head head not None, structured=None, bint capital_content_digest=False):
    cdef bytes input_value = combined_value(head, b"signature-input", 15)
    cdef bytes signature_value = combined_value(head, b"signature", 9)
    cdef Message message
    cdef dict candidates, signatures
    cdef Candidate candidate
    if input_value is None or signature_value is None:
        missing = "Signature-Input" if input_value is None else "Signature"
        raise Refused("signature.missing", f"{missing} is missing")
    message = Message.__new__(Message)
    message.head = head
    message.structured = structured
    candidates = read_signature_input(message, input_value, capital_content_digest)
    signatures = read_signature(signature_value)
    if len(candidates) != len(signatures) or candidates.keys() != signatures.keys():
        odd = sorted(candidates.keys() ^ signatures.keys())
        raise Refused("signature.label_mismatch", "only in one of the fields: " + ", ".join(odd)[:200])
    for label, candidate in candidates.items():
        candidate.signature = signatures[label]
    return tuple(candidates.values())
