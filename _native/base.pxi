# The signature base (RFC 9421 §2.5), written in one pass into one buffer.

cdef struct Out:
    uint8_t* data
    size_t length
    size_t capacity


cdef int out_grow(Out* out, size_t more) except -1:
    cdef size_t capacity = (out.length + more) * 2
    cdef uint8_t* data = <uint8_t*>realloc(out.data, capacity)
    if data == NULL:
        raise MemoryError()
    out.data = data
    out.capacity = capacity
    return 0


cdef inline int put(Out* out, const void* text, size_t length) except -1:
    if out.capacity - out.length < length:
        out_grow(out, length)
    memcpy(out.data + out.length, text, length)
    out.length += length
    return 0


cdef inline int put_bytes(Out* out, bytes text) except -1:
    return put(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef object no_value(Component* component, str detail):
    return Refused("signature.component_value", f"{span_bytes(component.text).decode('ascii')}: {detail}")


cdef object no_component(Component* component):
    return Refused("signature.component_missing", span_bytes(component.text).decode("ascii"))


cdef int find_component(Head head, Component* component, int start) noexcept:
    if component.digest:
        return head.find(CONTENT_DIGEST.at, CONTENT_DIGEST.length, start)
    return head.find(component.name.at, component.name.length, start)


cdef bint is_ascii(const uint8_t* text, size_t length) noexcept nogil:
    cdef size_t i
    cdef uint8_t high = 0
    for i in range(length):
        high |= text[i]
    return high < 128


cdef int put_field(Out* out, Head head, Component* component) except -1:
    # RFC 9421 §2.1: all lines in order, joined by a comma and a space.
    cdef int i = find_component(head, component, 0)
    cdef size_t start = out.length
    if i < 0:
        raise no_component(component)
    while True:
        put(out, head.data + head.lines[i].value, head.lines[i].value_len)
        i = find_component(head, component, i + 1)
        if i < 0:
            break
        put(out, b", ", 2)
    # RFC 9421 §2.5: the base is ASCII.
    if not is_ascii(out.data + start, out.length - start):
        raise no_value(component, "not ASCII (sign it with ;bs)")
    return 0


cdef int put_wrapped(Out* out, Head head, Component* component) except -1:
    # RFC 9421 §2.1.3: every line as a byte sequence of its own.
    cdef int i = find_component(head, component, 0)
    cdef bint first = True
    if i < 0:
        raise no_component(component)
    while i >= 0:
        if not first:
            put(out, b", ", 2)
        first = False
        put_bytes(out, b":" + b2a_base64(line_value(head, i), newline=False) + b":")
        i = find_component(head, component, i + 1)
    return 0


cdef bytes component_value(Head head, Component* component):
    cdef bytes value
    if component.digest:
        value = combined_value(head, <const char*>CONTENT_DIGEST.at, CONTENT_DIGEST.length)
    else:
        value = combined_value(head, <const char*>component.name.at, component.name.length)
    if value is None:
        raise no_component(component)
    return value


cdef int put_strict(Out* out, _Message message, Component* component) except -1:
    # RFC 9421 §2.1.1: the strict serialisation, for fields whose type is known.
    cdef bytes name = b"content-digest" if component.digest else span_bytes(component.name)
    if message.strict_values is None:
        message.strict_values = {}
    if name not in message.strict_values:
        kind = None
        if message.structured is not None:
            kind = message.structured.get(name)
        if kind is None:
            kind = STRUCTURED_FIELDS.get(name)
        if kind is None:
            raise Refused(
                "signature.bad_component_parameter",
                f"{shown(component.name)};sf: the field's type is not known (policy.structured_fields)",
            )
        value = component_value(message.head, component)
        try:
            message.strict_values[name] = serialise_structured(kind, value)
        except Refused as refused:
            raise no_value(component, refused.detail) from None
    return put_bytes(out, message.strict_values[name])


cdef dict index_dictionary(bytes value):
    # Where each member's value begins, the last of equal keys (RFC 9651 §4.2.2); None if this is no dictionary. Makes no
    # object per value: a head can hold thousands, and whoever sent it has proven nothing yet (R5).
    cdef Cursor cursor
    cdef Span key
    cdef Span text
    cdef dict places = {}
    cdef int more
    text.at = <const uint8_t*>PyBytes_AS_STRING(value)
    text.length = PyBytes_GET_SIZE(value)
    more = begin(&cursor, text)
    while more > 0:
        if not scan_key(&cursor, &key):
            return None
        places[span_bytes(key)] = cursor.at - text.at
        if cursor.at < cursor.end and cursor.at[0] == 61:
            cursor.at += 1
            if not skip_member(&cursor):
                return None
        elif not skip_parameters(&cursor):
            return None
        more = next_member(&cursor)
    return None if more < 0 else places


cdef int put_member(Out* out, _Message message, Component* component) except -1:
    # RFC 9421 §2.1.2: one member of a dictionary, strictly serialised.
    cdef bytes name = b"content-digest" if component.digest else span_bytes(component.name)
    cdef bytes value
    cdef Cursor cursor
    if message.dictionaries is None:
        message.dictionaries = {}
    if name not in message.dictionaries:
        value = component_value(message.head, component)
        message.dictionaries[name] = (value, index_dictionary(value))
    value, places = message.dictionaries[name]
    if places is None:
        raise no_value(component, "not a structured dictionary")
    key = unescape(component.argument).encode("ascii")
    place = places.get(key)
    if place is None:
        raise no_component(component)
    if type(place) is not bytes:
        cursor.at = <const uint8_t*>PyBytes_AS_STRING(value) + <Py_ssize_t>place
        cursor.end = <const uint8_t*>PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)
        # Made once for all labels and spellings of the authority (R5).
        place = places[key] = _member_text(_dictionary_member_object(&cursor)).encode("ascii")
    return put_bytes(out, place)


# The application/x-www-form-urlencoded percent-encode set of the URL standard leaves these alone.
cdef str FORM_SAFE = "*-._"


cdef dict form_parameters(bytes query):
    # RFC 9421 §2.2.8: names and values decoded as a form, then percent-encoded again. name -> (count, value).
    cdef dict found = {}
    for pair in query.split(b"&"):
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        key = reencode(name)
        count = found[key][0] if key in found else 0
        found[key] = (count + 1, value)
    return found


cdef bytes reencode(bytes text):
    if text.isalnum():
        return text
    decoded = unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")
    return percent_encode(decoded, safe=FORM_SAFE).replace("~", "%7E").encode("ascii")


cdef int put_query_parameter(Out* out, _Message message, Component* component) except -1:
    cdef bytes query = message.head.query
    if message.query_parameters is None:
        message.query_parameters = form_parameters(query) if query is not None else {}
    key = unescape(component.argument).encode("ascii")
    found = message.query_parameters.get(key)
    if found is None:
        raise no_component(component)
    if type(found) is tuple:
        if found[0] != 1:
            raise no_value(component, f"the query has it {found[0]} times")   # RFC 9421 §2.2.8
        # Made once for all labels and spellings of the authority (R5).
        found = message.query_parameters[key] = reencode(found[1])
    return put_bytes(out, found)


cdef int put_path_and_query(Out* out, Head head) except -1:
    put_bytes(out, head.path)
    if head.query is not None:
        put(out, b"?", 1)
        put_bytes(out, head.query)
    return 0


cdef int put_value(Out* out, _Message message, Component* component, bytes scheme, bytes authority) except -1:
    cdef Head head = message.head
    if component.kind == FIELD:
        if component.flags & P_BS:
            return put_wrapped(out, head, component)
        if component.flags & P_KEY:
            return put_member(out, message, component)
        if component.flags & P_SF:
            return put_strict(out, message, component)
        return put_field(out, head, component)
    if component.kind == METHOD:            # RFC 9421 §2.2.1
        return put_bytes(out, head.method)
    if component.kind == TARGET_URI:        # §2.2.2, R7
        put_bytes(out, scheme)
        put(out, b"://", 3)
        put_bytes(out, authority)
        return put_path_and_query(out, head)
    if component.kind == AUTHORITY:         # §2.2.3, R7
        return put_bytes(out, authority)
    if component.kind == SCHEME:            # §2.2.4
        return put_bytes(out, scheme)
    if component.kind == REQUEST_TARGET:    # §2.2.5
        return put_bytes(out, head.target)
    if component.kind == PATH:              # §2.2.6
        return put_bytes(out, head.path)
    if component.kind == QUERY:             # §2.2.7: with its ?, which stands alone where there is no query
        put(out, b"?", 1)
        return put_bytes(out, head.query) if head.query is not None else 0
    return put_query_parameter(out, message, component)


cdef bytes signature_base(Candidate candidate, bytes scheme, bytes authority):
    cdef Out out
    cdef Component* component
    cdef int i
    if candidate.reason is not None:
        raise Refused(candidate.reason, candidate.detail)
    out.length = 0
    out.capacity = 1024
    out.data = <uint8_t*>malloc(out.capacity)
    if out.data == NULL:
        raise MemoryError()
    try:
        for i in range(candidate.count):
            component = &candidate.components_[i]
            put(&out, component.text.at, component.text.length)
            put(&out, b": ", 2)
            put_value(&out, candidate.message, component, scheme, authority)
            put(&out, b"\n", 1)
        put(&out, b'"@signature-params": ', 21)
        put(&out, candidate.whole.at, candidate.whole.length)
        return out.data[:out.length]
    finally:
        free(out.data)
