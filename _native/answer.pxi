# The head of a backend's answer: judged in one pass, and written anew with the field lines that may go on.
#
# Strict where two readers could disagree (RFC 9112 §6.3), lenient where only taste is at stake: a line may end with LF
# alone (§2.2) and a value may hold any octet but NUL, CR and LF (RFC 9110 §5.5). Folded lines (§5.2) are refused.

from libc.stdint cimport INT64_MAX

cdef enum:
    ANSWER_HEAD_LIMIT = 65536
    ANSWER_FIELD_LIMIT = 256

cdef enum AnswerField:
    PASSES = 0
    DROPPED = 1             # hop-by-hop (RFC 9110 §7.6.1, RFC 9112 §6.1), or ours: nobody else's business
    CONNECTION = 2
    CONTENT_LENGTH = 3
    TRANSFER_ENCODING = 4
    DATE = 5


cdef struct AnswerLine:
    const uint8_t* name
    const uint8_t* value
    Py_ssize_t name_len
    Py_ssize_t value_len
    AnswerField field


cdef struct AnswerFacts:
    int status
    int64_t content_length  # -1: there is none
    bint chunked
    bint has_date
    bint keep_alive


# Scratch of one parse, which calls nothing that could parse again.
cdef AnswerLine ANSWER_LINES[ANSWER_FIELD_LIMIT]
cdef OctetBuffer ANSWER_ROOM


def parse_answer(bytes raw not None):
    cdef AnswerFacts facts
    cdef bytes head = read_answer(<const uint8_t*>PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), &facts)
    return facts.status, head, facts.content_length, facts.chunked, facts.has_date, facts.keep_alive


cdef object bad_answer(detail):
    return Refused("upstream.bad_answer", detail)


cdef bint is_lower(const uint8_t* text, const char* wanted, Py_ssize_t length) noexcept:
    """Is `text`, put into lower case, `wanted`? Both have `length` octets."""
    cdef Py_ssize_t at
    for at in range(length):
        if TCHAR_LOWER[text[at]] != <uint8_t>wanted[at]:
            return False
    return True


cdef AnswerField answer_field(const uint8_t* name, Py_ssize_t length) noexcept:
    if length > 3 and is_lower(name, b"wfm", 3) and FOLDED[name[3]] == c"-":
        return DROPPED
    if length == 2:
        return DROPPED if is_lower(name, b"te", 2) else PASSES
    if length == 4:
        return DATE if is_lower(name, b"date", 4) else PASSES
    if length == 7:
        return DROPPED if is_lower(name, b"trailer", 7) or is_lower(name, b"upgrade", 7) else PASSES
    if length == 10:
        if is_lower(name, b"connection", 10):
            return CONNECTION
        return DROPPED if is_lower(name, b"keep-alive", 10) else PASSES
    if length == 14:
        return CONTENT_LENGTH if is_lower(name, b"content-length", 14) else PASSES
    if length == 16:
        return DROPPED if is_lower(name, b"proxy-connection", 16) else PASSES
    if length == 17:
        return TRANSFER_ENCODING if is_lower(name, b"transfer-encoding", 17) else PASSES
    return PASSES


cdef int read_answer_line(const uint8_t* begin, const uint8_t* stop, AnswerLine* line) except -1:
    """`field-name ":" OWS field-value OWS`; `stop` is where the line's ending begins."""
    cdef const uint8_t* at = begin
    while at < stop and TCHAR_LOWER[at[0]]:
        at += 1
    if at == begin or at == stop or at[0] != c":":
        raise bad_answer(f"malformed field {PyBytes_FromStringAndSize(<const char*>begin, min(stop - begin, 64))!r}")
    line.name = begin
    line.name_len = at - begin
    at += 1
    while at < stop and (at[0] == SP or at[0] == HTAB):
        at += 1
    while at < stop and ((stop - 1)[0] == SP or (stop - 1)[0] == HTAB):
        stop -= 1
    line.value = at
    line.value_len = stop - at
    if memchr(at, 0, stop - at) != NULL or memchr(at, CR, stop - at) != NULL:
        raise bad_answer(f"malformed field {PyBytes_FromStringAndSize(<const char*>begin, min(line.name_len, 64))!r}")
    line.field = answer_field(begin, line.name_len)
    return 0


cdef int64_t answer_length(AnswerLine* line) except -1:
    cdef int64_t length = 0
    cdef Py_ssize_t at
    for at in range(line.value_len):
        if not c"0" <= line.value[at] <= c"9" or length > (INT64_MAX - 9) // 10:
            length = -1
            break
        length = length * 10 + line.value[at] - c"0"
    if length < 0 or line.value_len == 0:
        shown = PyBytes_FromStringAndSize(<const char*>line.value, min(line.value_len, 64))
        raise bad_answer(f"Content-Length {shown!r}")
    return length


cdef int read_status_line(const uint8_t* data, const uint8_t* stop, AnswerFacts* facts) except -1:
    """`HTTP-version SP status-code [ SP [ reason-phrase ] ]`; `stop` is where its ending begins."""
    cdef const uint8_t* digits = data + 9
    cdef const uint8_t* phrase
    cdef Py_ssize_t at
    if (
        stop - data < 12
        or memcmp(data, b"HTTP/1.", 7) != 0
        or (data[7] != c"1" and data[7] != c"0")
        or data[8] != SP
        or not c"1" <= digits[0] <= c"9"
        or not c"0" <= digits[1] <= c"9"
        or not c"0" <= digits[2] <= c"9"
        or (stop - data > 12 and data[12] != SP)
        or memchr(data, CR, stop - data) != NULL
    ):
        raise bad_answer(f"malformed status line {PyBytes_FromStringAndSize(<const char*>data, min(stop - data, 64))!r}")
    facts.keep_alive = data[7] == c"1"
    facts.status = 100 * (digits[0] - c"0") + 10 * (digits[1] - c"0") + digits[2] - c"0"
    append_octets(&ANSWER_ROOM, <const uint8_t*>b"HTTP/1.1 ", 9)
    append_octets(&ANSWER_ROOM, digits, 3)
    append_octets(&ANSWER_ROOM, <const uint8_t*>b" ", 1)
    phrase = data + 13
    if phrase < stop:
        append_octets(&ANSWER_ROOM, phrase, stop - phrase)
        for at in range(ANSWER_ROOM.size - (stop - phrase), ANSWER_ROOM.size):
            if ANSWER_ROOM.octets[at] == 0:
                ANSWER_ROOM.octets[at] = SP
    append_octets(&ANSWER_ROOM, <const uint8_t*>b"\r\n", 2)
    return 0


cdef const uint8_t* take_option(const uint8_t** at, const uint8_t* end, Py_ssize_t* length) noexcept:
    """The next of a list's members, white space around it removed; moves `at` behind it."""
    cdef const uint8_t* option = at[0]
    cdef const uint8_t* stop = <const uint8_t*>memchr(option, c",", end - option)
    if stop == NULL:
        stop = end
    at[0] = stop + 1
    while option < stop and (option[0] == SP or option[0] == HTAB):
        option += 1
    while option < stop and ((stop - 1)[0] == SP or (stop - 1)[0] == HTAB):
        stop -= 1
    length[0] = stop - option
    return option


cdef void obey_connection(AnswerLine* connection, int count, bint* close, bint* keep) noexcept:
    """Drop the lines that Connection names, but none that frames or dates the answer; note what it says of itself."""
    cdef const uint8_t* at = connection.value
    cdef const uint8_t* end = at + connection.value_len
    cdef const uint8_t* option
    cdef AnswerLine* line
    cdef Py_ssize_t length
    cdef int index
    while at < end:
        option = take_option(&at, end, &length)
        close[0] = close[0] or (length == 5 and is_lower(option, b"close", 5))
        keep[0] = keep[0] or (length == 10 and is_lower(option, b"keep-alive", 10))
        for index in range(count):
            line = &ANSWER_LINES[index]
            if line.field == PASSES and line.name_len == length and same_name(line.name, option, length):
                line.field = DROPPED


cdef bint same_name(const uint8_t* name, const uint8_t* other, Py_ssize_t length) noexcept:
    cdef Py_ssize_t at
    for at in range(length):
        if TCHAR_LOWER[name[at]] != TCHAR_LOWER[other[at]]:
            return False
    return True


cdef bytes read_answer(const uint8_t* data, Py_ssize_t size, AnswerFacts* facts):
    """Judge a whole head, empty line included; return its status line and the lines that go on, each with CRLF.

    :raises Refused: upstream.bad_answer
    """
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + size
    cdef const uint8_t* ending
    cdef const uint8_t* stop
    cdef AnswerLine* line
    cdef int count = 0, index
    cdef bint first = True, close = False, keep = False
    facts.content_length = -1
    facts.chunked = facts.has_date = False
    ANSWER_ROOM.size = 0
    while at < end:
        ending = <const uint8_t*>memchr(at, LF, end - at)
        if ending == NULL:
            raise bad_answer("the head is not whole")
        stop = ending - 1 if ending > at and (ending - 1)[0] == CR else ending
        if first:
            if stop > at:  # empty lines before the status line are nothing (RFC 9112 §2.2)
                read_status_line(at, stop, facts)
                first = False
        elif stop > at:
            if count == ANSWER_FIELD_LIMIT:
                raise bad_answer(f"more than {ANSWER_FIELD_LIMIT} field lines")
            read_answer_line(at, stop, &ANSWER_LINES[count])
            count += 1
        elif ending + 1 != end:
            raise bad_answer("octets behind the empty line of the head")
        at = ending + 1
    if first:
        raise bad_answer("the head is not whole")
    for index in range(count):
        if ANSWER_LINES[index].field == CONNECTION:
            obey_connection(&ANSWER_LINES[index], count, &close, &keep)
    facts.keep_alive = not close and (facts.keep_alive or keep)
    for index in range(count):
        line = &ANSWER_LINES[index]
        if line.field == TRANSFER_ENCODING:
            if facts.chunked or line.value_len != 7 or not is_lower(line.value, b"chunked", 7):
                shown = PyBytes_FromStringAndSize(<const char*>line.value, min(line.value_len, 64))
                raise bad_answer(f"Transfer-Encoding {shown!r}")
            facts.chunked = True
            continue
        if line.field == CONTENT_LENGTH:
            if facts.content_length >= 0:
                raise bad_answer("Content-Length stands twice")
            facts.content_length = answer_length(line)
            if facts.status == 204:  # RFC 9110 §8.6
                continue
        elif line.field == DATE:
            facts.has_date = True
        elif line.field != PASSES:
            continue
        append_octets(&ANSWER_ROOM, line.name, line.name_len)
        append_octets(&ANSWER_ROOM, <const uint8_t*>b": ", 2)
        append_octets(&ANSWER_ROOM, line.value, line.value_len)
        append_octets(&ANSWER_ROOM, <const uint8_t*>b"\r\n", 2)
    if facts.chunked and facts.content_length >= 0:
        raise bad_answer("Content-Length beside Transfer-Encoding")
    return PyBytes_FromStringAndSize(<const char*>ANSWER_ROOM.octets, ANSWER_ROOM.size)
