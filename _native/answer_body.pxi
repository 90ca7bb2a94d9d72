# The content of a backend's answer: by length, in chunks (RFC 9112 §7.1), or up to the end of the connection.

cdef enum:
    CHUNK_LINE_LIMIT = 65536  # of a chunk's extensions, and of all trailers together

cdef enum BodyForm:
    NO_BODY
    BY_LENGTH
    IN_CHUNKS
    UNTIL_CLOSE

cdef enum PieceState:
    PIECE_SIZE          # no digit yet
    PIECE_DIGITS
    PIECE_SPACE         # white space behind the size: some servers pad it
    PIECE_EXTENSION
    PIECE_SIZE_LF
    PIECE_DATA
    PIECE_DATA_END
    PIECE_DATA_LF
    TRAILER_BEGIN
    TRAILER_NAME
    TRAILER_VALUE
    TRAILER_LF
    LAST_LF


cdef struct AnswerBody:
    BodyForm form
    PieceState state
    int64_t left        # octets of the body, or of the chunk, that are still to come
    Py_ssize_t overhead


cdef void begin_body(AnswerBody* body, BodyForm form, int64_t length) noexcept:
    body.form = form
    body.state = PIECE_SIZE
    body.left = length if form == BY_LENGTH else 0
    body.overhead = 0


cdef Py_ssize_t read_chunks(AnswerBody* body, const uint8_t* data, Py_ssize_t size, OctetBuffer* content) except -1:
    """Append the content in `data` to `content`; return how much of it belongs to this body, which has become NO_BODY
    if that was its end.

    :raises Refused: upstream.bad_answer
    """
    cdef Py_ssize_t at = 0, count
    cdef uint8_t octet
    while at < size:
        if body.state == PIECE_DATA:
            count = min(body.left, <int64_t>(size - at))
            append_octets(content, data + at, count)
            at += count
            body.left -= count
            if body.left == 0:
                body.state = PIECE_DATA_END
            continue
        octet = data[at]
        at += 1
        if body.state == PIECE_SIZE or body.state == PIECE_DIGITS:
            if HEX_VALUE[octet] < 16:
                if body.left > INT64_MAX >> 4:
                    raise bad_answer("a chunk is too long")
                body.left = (body.left << 4) + HEX_VALUE[octet]
                body.state = PIECE_DIGITS
                count_overhead(body)
                continue
            if body.state == PIECE_SIZE:
                raise bad_answer("malformed chunk size")
        if body.state <= PIECE_EXTENSION:
            if octet == CR:
                body.state = PIECE_SIZE_LF
            elif octet == c";":
                body.state = PIECE_EXTENSION
            elif body.state != PIECE_EXTENSION and (octet == SP or octet == HTAB):
                body.state = PIECE_SPACE
            elif body.state != PIECE_EXTENSION or not VALUE_CLASS[octet]:
                raise bad_answer("malformed chunk size")
            count_overhead(body)
        elif body.state == PIECE_SIZE_LF:
            if octet != LF:
                raise bad_answer("malformed chunk size")
            if body.left > 0:
                body.overhead = 0
                body.state = PIECE_DATA
            else:
                body.state = TRAILER_BEGIN
        elif body.state == PIECE_DATA_END or body.state == PIECE_DATA_LF:
            if octet == LF:
                body.state = PIECE_SIZE
            elif octet == CR and body.state == PIECE_DATA_END:
                body.state = PIECE_DATA_LF
            else:
                raise bad_answer("a chunk is longer than its size says")
        elif body.state == TRAILER_BEGIN or body.state == LAST_LF:
            if octet == LF:
                body.form = NO_BODY
                return at
            if body.state == LAST_LF:
                raise bad_answer("malformed end of the chunks")
            if octet == CR:
                body.state = LAST_LF
            elif TCHAR_LOWER[octet]:
                body.state = TRAILER_NAME
            else:
                raise bad_answer("malformed trailer")
            count_overhead(body)
        else:
            read_trailer(body, octet)
            count_overhead(body)
    return at


cdef int read_trailer(AnswerBody* body, uint8_t octet) except -1:
    """Trailers are dropped, but must be field lines."""
    if body.state == TRAILER_NAME:
        if octet == c":":
            body.state = TRAILER_VALUE
        elif not TCHAR_LOWER[octet]:
            raise bad_answer("malformed trailer")
    elif octet == LF:
        body.state = TRAILER_BEGIN
    elif body.state == TRAILER_LF or octet == 0:
        raise bad_answer("malformed trailer")
    elif octet == CR:
        body.state = TRAILER_LF
    return 0


cdef int count_overhead(AnswerBody* body) except -1:
    body.overhead += 1
    if body.overhead > CHUNK_LINE_LIMIT:
        raise bad_answer(f"more than {CHUNK_LINE_LIMIT} octets around the chunks")
    return 0
