# Structured fields as Python values, and back to their one canonical text (RFC 9651 §4.1): for sf, key, tests and explain.

cdef class _Malformed(Exception):
    pass


cdef object _bare_object(Bare* bare):
    cdef const uint8_t* at
    cdef bytearray octets
    if bare.kind == BARE_INTEGER:
        return bare.number
    if bare.kind == BARE_BOOLEAN:
        return bare.number == 1
    if bare.kind == BARE_STRING:
        return ("string", unescape(bare.text))
    if bare.kind == BARE_TOKEN:
        return ("token", span_bytes(bare.text).decode("ascii"))
    if bare.kind == BARE_BYTES:
        return decode_span(bare.text)
    if bare.kind == BARE_DECIMAL:
        return ("decimal", _decimal_text(bare.number))
    if bare.kind == BARE_DATE:
        return ("date", bare.number)
    octets = bytearray()
    at = bare.text.at
    while at < bare.text.at + bare.text.length:
        octets.append(_display_octet(&at))
    return ("display", octets.decode("utf-8"))


cdef str _decimal_text(int64_t thousandths):
    # RFC 9651 §4.1.5
    sign = "-" if thousandths < 0 else ""
    whole, rest = divmod(abs(thousandths), 1000)
    return f"{sign}{whole}." + (f"{rest:03d}".rstrip("0") or "0")


cdef list _parameter_objects(Cursor* cursor):
    cdef Span key
    cdef Bare bare
    cdef bint canonical = True
    cdef int found
    cdef dict members = {}
    while True:
        found = scan_parameter(cursor, &key, &bare, &canonical)
        if found < 0:
            raise _Malformed()
        if found == 0:
            return list(members.items())
        # RFC 9651 §4.2.3.2: a later value overwrites an earlier one, in the earlier one's place.
        members[span_bytes(key).decode("ascii")] = _bare_object(&bare)


cdef tuple _item_object(Cursor* cursor):
    cdef Bare bare
    if not scan_bare(cursor, &bare):
        raise _Malformed()
    value = _bare_object(&bare)
    return (value, _parameter_objects(cursor))


cdef tuple _member_object(Cursor* cursor):
    cdef list items
    if cursor.at >= cursor.end or cursor.at[0] != 40:
        return _item_object(cursor)
    # RFC 9651 §4.2.1.2
    items = []
    cursor.at += 1
    while True:
        skip_spaces(cursor)
        if cursor.at < cursor.end and cursor.at[0] == 41:
            cursor.at += 1
            return (items, _parameter_objects(cursor))
        items.append(_item_object(cursor))
        if cursor.at >= cursor.end or (cursor.at[0] != 32 and cursor.at[0] != 41):
            raise _Malformed()


cdef tuple _dictionary_member_object(Cursor* cursor):
    # What follows a key: a value, or the parameters of a member that is true (RFC 9651 §4.2.2).
    if cursor.at < cursor.end and cursor.at[0] == 61:
        cursor.at += 1
        return _member_object(cursor)
    return (True, _parameter_objects(cursor))


cdef list _list_object(Cursor* cursor):
    cdef list members = []
    cdef int more = 1 if cursor.at < cursor.end else 0
    while more > 0:
        members.append(_member_object(cursor))
        more = next_member(cursor)
    if more < 0:
        raise _Malformed()
    return members


cdef dict _dictionary_object(Cursor* cursor):
    cdef dict members = {}
    cdef Span key
    cdef int more = 1 if cursor.at < cursor.end else 0
    while more > 0:
        if not scan_key(cursor, &key):
            raise _Malformed()
        members[span_bytes(key).decode("ascii")] = _dictionary_member_object(cursor)
        more = next_member(cursor)
    if more < 0:
        raise _Malformed()
    return members


def parse_structured(str kind, bytes value):
    cdef Cursor cursor
    cursor.at = <const uint8_t*>PyBytes_AS_STRING(value)
    cursor.end = cursor.at + PyBytes_GET_SIZE(value)
    try:
        skip_spaces(&cursor)
        if kind == "item":
            parsed = _item_object(&cursor)
        elif kind == "list":
            parsed = _list_object(&cursor)
        elif kind == "dictionary":
            parsed = list(_dictionary_object(&cursor).items())
        else:
            raise ValueError(f"{kind!r} is not item, list or dictionary")
        skip_spaces(&cursor)
        if cursor.at != cursor.end:
            raise _Malformed()
    except _Malformed:
        raise Refused("signature.component_value", f"not a structured {kind}") from None
    return parsed


cdef str _bare_text(object bare):
    if bare is True:
        return "?1"
    if bare is False:
        return "?0"
    if isinstance(bare, int):
        return str(bare)
    if isinstance(bare, bytes):
        return ":" + b2a_base64(bare, newline=False).decode("ascii") + ":"
    kind, value = bare
    if kind == "string":
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if kind == "date":
        return f"@{value}"
    if kind == "display":
        # RFC 9651 §4.1.11
        return '%"' + "".join(
            chr(octet) if 32 <= octet <= 126 and octet not in (34, 37) else f"%{octet:02x}"
            for octet in value.encode("utf-8")
        ) + '"'
    return value


cdef str _parameters_text(list parameters):
    cdef list parts = []
    for key, bare in parameters:
        parts.append(f";{key}" if bare is True else f";{key}={_bare_text(bare)}")
    return "".join(parts)


cdef str _member_text(tuple member):
    value, parameters = member
    if isinstance(value, list):
        inner = " ".join([_member_text(item) for item in value])
        return f"({inner})" + _parameters_text(parameters)
    return _bare_text(value) + _parameters_text(parameters)


cdef str _dictionary_member_text(str key, tuple member):
    # RFC 9651 §4.1.2: a member that is true is written as its key and parameters.
    if member[0] is True:
        return key + _parameters_text(member[1])
    return f"{key}={_member_text(member)}"


def serialise_structured(str kind, bytes value):
    parsed = parse_structured(kind, value)
    if kind == "item":
        text = _member_text(parsed)
    elif kind == "list":
        text = ", ".join([_member_text(member) for member in parsed])
    else:
        text = ", ".join([_dictionary_member_text(key, member) for key, member in parsed])
    return text.encode("ascii")
