# Strict reader of the messages of one inbound connection (R4, R5): where heads, bodies, chunks and trailers begin and end.
# What becomes of accepted octets is for those who build on it: `wire.pxi` hands them on, `content_reader.pxi` keeps content.

include "_native/octet_buffer.pxi"

cdef enum Stage:
    BETWEEN         # before a request line; one CRLF may stand there (RFC 9112 §2.2)
    BETWEEN_LF      # that CRLF's CR was read
    IN_HEAD
    IN_BODY
    CHUNK_SIZE
    CHUNK_EXTENSION
    CHUNK_SIZE_LF
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    IN_TRAILERS
    ENDED           # the last message of this connection is complete (RFC 9112 §9.6): the rest is dropped

cdef enum:
    CHUNK_DIGITS_LIMIT = 16
    CHUNK_EXTENSION_LIMIT = 256


@cython.auto_pickle(False)
cdef class MessageReader:
    cdef Py_ssize_t head_limit
    cdef int field_limit
    cdef Stage stage
    cdef bint crlf_seen              # before this request line
    cdef bint last_message           # the sender closes after it
    # The section (head or trailers) that is not complete: its octets, and how its last line stands.
    cdef OctetBuffer held
    cdef Py_ssize_t line_length
    cdef bint first_line
    cdef uint8_t last_octet
    # The body.
    cdef uint64_t remaining          # of the content or of the chunk
    cdef int digits
    cdef int extension
    # The octets that are being read, and how far.
    cdef const uint8_t* data
    cdef Py_ssize_t size
    cdef Py_ssize_t at

    def __cinit__(self, int head_limit_bytes=32768, int field_limit=100):
        if head_limit_bytes < 1 or field_limit < 1:
            raise ValueError("limits must be positive")
        self.head_limit = head_limit_bytes
        self.field_limit = field_limit
        self.stage = BETWEEN

    def __dealloc__(self):
        release_octets(&self.held)

    # What is accepted. `at` is behind it.

    cdef int accept_head(self, Head head, bytes raw, bint in_one_piece) except -1:
        """One whole head; `in_one_piece`: all its octets are in `data`."""
        return 0

    cdef int accept_content(self, Py_ssize_t count) except -1:
        """The `count` octets before `at`."""
        return 0

    cdef int leave_out(self) except -1:
        """What was read beside content since the last call, and is framing or means nothing."""
        return 0

    cdef int accept_framing(self, const char* octets, Py_ssize_t count) except -1:
        """Chunked framing as every parser reads it."""
        return 0

    cdef int end_message(self) except -1:
        self.stage = ENDED if self.last_message else BETWEEN
        self.crlf_seen = False
        return 0

    # After a refusal these two tell where it was: the stage stays as it is.

    cdef inline bint in_head(self) noexcept:
        return self.stage == IN_HEAD

    cdef inline bint in_body(self) noexcept:
        return IN_BODY <= self.stage <= IN_TRAILERS

    cdef int step(self, bytes data) except -1:
        """Read on from `at`, which is inside of the data, in the present stage."""
        cdef Stage stage = self.stage
        if stage == IN_HEAD:
            self.read_head_octets(data)
        elif stage == IN_BODY or stage == CHUNK_DATA:
            self.read_content()
        elif stage == BETWEEN:
            self.begin_head()
        elif stage == BETWEEN_LF:
            self.expect(LF, "request.bad_request_line", BETWEEN)
            self.crlf_seen = True
            self.leave_out()
        elif stage == CHUNK_SIZE:
            self.read_chunk_size()
        elif stage == CHUNK_EXTENSION:
            self.read_chunk_extension()
        elif stage == CHUNK_SIZE_LF:
            self.expect(LF, "request.bad_chunk", CHUNK_DATA)
            self.begin_chunk()
        elif stage == CHUNK_DATA_CR:
            self.expect(CR, "request.bad_chunk", CHUNK_DATA_LF)
        elif stage == CHUNK_DATA_LF:
            self.expect(LF, "request.bad_chunk", CHUNK_SIZE)
            self.leave_out()
            self.accept_framing(b"\r\n", 2)
            self.begin_chunk_size()
        elif stage == IN_TRAILERS:
            self.read_trailer_octets(data)
        else:
            self.at = self.size
        return 0

    cdef int expect(self, uint8_t octet, str reason, Stage following) except -1:
        if self.data[self.at] != octet:
            raise Refused(reason, f"octet 0x{self.data[self.at]:02x} where 0x{octet:02x} must stand")
        self.at += 1
        self.stage = following
        return 0

    cdef int begin_head(self) except -1:
        cdef uint8_t octet = self.data[self.at]
        if octet == CR and not self.crlf_seen:
            self.at += 1
            self.stage = BETWEEN_LF
            return 0
        # Another protocol (TLS, for example) is refused at once, not when a timer ends.
        if TCHAR_LOWER[octet] == 0:
            raise Refused("request.bad_request_line", f"it begins with octet 0x{octet:02x}")
        self.begin_section(IN_HEAD)
        return 0

    cdef void begin_section(self, Stage stage) noexcept:
        self.stage = stage
        self.line_length = 0
        self.first_line = True
        self.last_octet = 0

    cdef bytes read_section(self, bytes data, str first_line_reason):
        """The section up to its empty line, None as long as it is not complete. Each octet is looked at once."""
        cdef Py_ssize_t begin = self.at
        cdef Py_ssize_t stop = min(self.size, begin + self.head_limit - self.held.size)
        cdef const uint8_t* mark
        cdef uint8_t before
        cdef bytes section
        while True:
            mark = <const uint8_t*>memchr(self.data + self.at, LF, stop - self.at)
            if mark == NULL:
                break
            before = (mark - 1)[0] if mark > self.data + begin else self.last_octet
            if before != CR:
                raise Refused(first_line_reason if self.first_line else "request.bad_field", "LF without CR before it")
            self.line_length += mark - (self.data + self.at)
            self.at = mark - self.data + 1
            if self.line_length == 1:
                section = join_octets(&self.held, data, begin, self.at)
                release_octets(&self.held)
                return section
            self.line_length = 0
            self.first_line = False
        self.line_length += stop - self.at
        self.at = stop
        # Counted before it is kept (R4).
        if self.held.size + stop - begin >= self.head_limit:
            raise Refused("request.head_too_large", f"no end within {self.head_limit} octets")
        if stop > begin:
            self.last_octet = self.data[stop - 1]
            append_octets(&self.held, self.data + begin, stop - begin)
        return None

    cdef int read_head_octets(self, bytes data) except -1:
        cdef bint in_one_piece = self.held.size == 0
        cdef bytes raw = self.read_section(data, "request.bad_request_line")
        cdef Head head
        if raw is None:
            return 0
        head = read_head(raw, self.field_limit)
        self.accept_head(head, raw, in_one_piece)
        self.last_message = not head.keep_alive
        if head.chunked:
            self.begin_chunk_size()
        elif head.content_length > 0:
            self.remaining = <uint64_t>head.content_length
            self.stage = IN_BODY
        else:
            self.end_message()
        return 0

    cdef int read_content(self) except -1:
        cdef Py_ssize_t piece = self.size - self.at
        if <uint64_t>piece > self.remaining:
            piece = <Py_ssize_t>self.remaining
        self.at += piece
        self.accept_content(piece)
        self.remaining -= <uint64_t>piece
        if self.remaining == 0:
            if self.stage == IN_BODY:
                self.end_message()
            else:
                self.stage = CHUNK_DATA_CR
        return 0

    cdef void begin_chunk_size(self) noexcept:
        self.stage = CHUNK_SIZE
        self.remaining = 0
        self.digits = self.extension = 0

    cdef int read_chunk_size(self) except -1:
        """`chunk-size [ chunk-ext ] CRLF` (RFC 9112 §7.1), narrower: no white space, and bounded."""
        cdef uint8_t octet = self.data[self.at]
        cdef uint8_t value = HEX_VALUE[octet]
        self.at += 1
        if value < 16 and self.digits < CHUNK_DIGITS_LIMIT:
            self.remaining = self.remaining << 4 | value
            self.digits += 1
            return 0
        if self.digits == 0 or (octet != CR and octet != c";") or self.remaining > LENGTH_LIMIT:
            raise Refused("request.bad_chunk", "the size is not 1 to 16 hexadecimal digits within bounds")
        self.stage = CHUNK_SIZE_LF if octet == CR else CHUNK_EXTENSION
        return 0

    cdef int read_chunk_extension(self) except -1:
        """Extensions mean nothing here (RFC 9112 §7.1.1); they are bounded and dropped."""
        cdef uint8_t octet = self.data[self.at]
        self.at += 1
        if octet == CR:
            self.stage = CHUNK_SIZE_LF
            return 0
        self.extension += 1
        if VALUE_CLASS[octet] != 1 or self.extension > CHUNK_EXTENSION_LIMIT:
            raise Refused("request.bad_chunk", f"an extension with octet 0x{octet:02x} or of more than 256 octets")
        return 0

    cdef int begin_chunk(self) except -1:
        """Write the size line of a chunk as every parser reads it; that of the last one waits for its trailers."""
        cdef char line[20]
        cdef int length
        self.leave_out()
        if self.remaining == 0:
            self.begin_section(IN_TRAILERS)
            return 0
        length = snprintf(line, sizeof(line), b"%llx\r\n", <unsigned long long>self.remaining)
        self.accept_framing(line, length)
        return 0

    cdef int read_trailer_octets(self, bytes data) except -1:
        """Trailers are judged like the fields of a head and dropped (R4, R14)."""
        cdef bytes raw = self.read_section(data, "request.bad_field")
        cdef Head trailers
        if raw is None:
            return 0
        trailers = Head.__new__(Head, HEAD_KEY)
        trailers.load(raw)
        read_lines(trailers, 0, self.field_limit)
        if trailers.reserved_line >= 0:
            raise Refused("request.reserved_name", f"trailer {trailers.reserved().decode()}")
        self.leave_out()
        self.accept_framing(b"0\r\n\r\n", 5)
        self.end_message()
        return 0
