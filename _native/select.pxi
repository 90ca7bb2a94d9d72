# All signatures of a request: Signature-Input and Signature, label by label (RFC 9421 §4, R8).

cdef bytes field_text(Head head, const char* name, Py_ssize_t length, Span* text):
    # All lines of a field as one value (RFC 9110 §5.3), and what keeps it alive; None if there is none.
    cdef int i = head.find(<const uint8_t*>name, length, 0)
    cdef int following
    if i < 0:
        return None
    following = head.find(<const uint8_t*>name, length, i + 1)
    if following < 0:
        text.at = head.data + head.lines[i].value
        text.length = head.lines[i].value_len
        return head.raw
    lines = [line_value(head, i)]
    while following >= 0:
        lines.append(line_value(head, following))
        following = head.find(<const uint8_t*>name, length, following + 1)
    joined = b", ".join(lines)
    text.at = <const uint8_t*>PyBytes_AS_STRING(joined)
    text.length = PyBytes_GET_SIZE(joined)
    return joined


cdef bytes combined_value(Head head, const char* name, Py_ssize_t length):
    cdef Span text
    # The owner needs a name: an expression's value dies before the next one is computed, and `text` points into it.
    cdef bytes owner = field_text(head, name, length, &text)
    return None if owner is None else span_bytes(text)


cdef inline bytes line_value(Head head, int i):
    return (head.data + head.lines[i].value)[:head.lines[i].value_len]


cdef inline str span_text(Span text):
    return text.at[:text.length].decode("ascii")


cdef inline bint label_is(str label, Span text):
    return len(label) == text.length and memcmp(PyUnicode_1BYTE_DATA(label), text.at, text.length) == 0


cdef bint begin(Cursor* cursor, Span text) noexcept nogil:
    # Stand on the first member of a dictionary; False if it is empty.
    cursor.at = text.at
    cursor.end = text.at + text.length
    skip_spaces(cursor)
    return cursor.at < cursor.end


cdef bint member_value(Cursor* cursor, Span* key) noexcept nogil:
    # `key=`, with the cursor behind it. False: malformed, or a member without a value.
    if not scan_key(cursor, key) or cursor.at >= cursor.end or cursor.at[0] != 61:
        return False
    cursor.at += 1
    return True


cdef bytes take_bytes(Cursor* cursor):
    # A byte sequence and its parameters, which have no meaning here; None if malformed.
    cdef const uint8_t* close
    cdef Span text
    cdef Py_ssize_t room
    cdef bytes octets
    if cursor.end - cursor.at < 2 or cursor.at[0] != 58:
        return None
    text.at = cursor.at + 1
    close = <const uint8_t*>memchr(text.at, 58, cursor.end - text.at)
    if close == NULL:
        return None
    text.length = close - text.at
    room = decoded_length(text)
    if room < 0:
        return None
    octets = PyBytes_FromStringAndSize(NULL, room)
    if base64_decode(text.at, text.length, <uint8_t*>PyBytes_AS_STRING(octets)) != room:
        return None
    cursor.at = close + 1
    return octets if skip_parameters(cursor) else None


cdef object refuse_input(str detail):
    return Refused("signature.malformed_input", detail)


cdef object refuse_value(str detail):
    return Refused("signature.malformed_value", detail)


cdef list read_signature_input(_Message message, bytes owner, Span text, bint capital_content_digest):
    # The candidates in field order, without their signatures.
    cdef Cursor cursor
    cdef Span key
    cdef list candidates = []
    cdef set surplus = None
    cdef bint duplicate = False
    cdef int more = begin(&cursor, text)
    cdef Candidate candidate, other
    if not more:
        raise refuse_input("empty")
    while more > 0:
        if not member_value(&cursor, &key):
            raise refuse_input(f"no label with a value at octet {cursor.at - text.at}")
        candidate = read_candidate(message, owner, &cursor, capital_content_digest)
        if candidate is None:
            raise refuse_input(f"{shown(key)} is not a well-formed inner list of strings (octet {cursor.at - text.at})")
        candidate.label = span_text(key)
        for other in candidates:
            if other.label == candidate.label:
                duplicate = True
        if len(candidates) < LABEL_LIMIT:
            candidates.append(candidate)
        else:
            # R5: too many to keep; only what is wrong with them still matters.
            if surplus is None:
                surplus = set()
            duplicate = duplicate or candidate.label in surplus
            surplus.add(candidate.label)
        more = next_member(&cursor)
        if more < 0:
            raise refuse_input(f"after {shown(key)} (octet {cursor.at - text.at})")
    if duplicate:
        raise Refused("signature.duplicate_label", "in Signature-Input")
    if surplus is not None:
        raise Refused("signature.too_many_labels", f"{LABEL_LIMIT + len(surplus)} labels")
    return candidates


cdef set read_signature(Span text, list candidates):
    # Give each candidate its signature; the labels that no candidate has.
    cdef Cursor cursor
    cdef Span key
    cdef set strangers = None
    cdef bint duplicate = False, known
    cdef int count = 0
    cdef int more = begin(&cursor, text)
    cdef Candidate candidate
    if not more:
        raise refuse_value("empty")
    while more > 0:
        if not member_value(&cursor, &key):
            raise refuse_value(f"no label with a value at octet {cursor.at - text.at}")
        octets = take_bytes(&cursor)   # RFC 9421 §4.2
        if octets is None:
            raise refuse_value(f"{shown(key)} is not a byte sequence in canonical base64 between colons")
        known = False
        for candidate in candidates:
            if label_is(candidate.label, key):
                known = True
                duplicate = duplicate or candidate.signature is not None
                candidate.signature = octets
        if not known:
            if strangers is None:
                strangers = set()
            label = span_text(key)
            duplicate = duplicate or label in strangers
            strangers.add(label)
        count += 1
        more = next_member(&cursor)
        if more < 0:
            raise refuse_value(f"after {shown(key)} (octet {cursor.at - text.at})")
    if duplicate:
        raise Refused("signature.duplicate_label", "in Signature")
    if count > LABEL_LIMIT:
        raise Refused("signature.too_many_labels", f"{count} labels")
    return strangers


def select(Head head not None, structured=None, bint capital_content_digest=False):
    cdef Span input_text, signature_text
    cdef bytes input_owner = field_text(head, b"signature-input", 15, &input_text)
    cdef bytes signature_owner = field_text(head, b"signature", 9, &signature_text)
    cdef _Message message
    cdef list candidates
    cdef set odd
    cdef Candidate candidate
    if input_owner is None or signature_owner is None:
        missing = "Signature-Input" if input_owner is None else "Signature"
        raise Refused("signature.missing", f"{missing} is missing")
    message = _Message.__new__(_Message)
    message.head = head
    message.structured = structured
    candidates = read_signature_input(message, input_owner, input_text, capital_content_digest)
    odd = read_signature(signature_text, candidates)
    for candidate in candidates:
        if candidate.signature is None:
            odd = odd or set()
            odd.add(candidate.label)
    if odd is not None:
        raise Refused("signature.label_mismatch", "only in one of the fields: " + ", ".join(sorted(odd))[:200])
    return tuple(candidates)
