# One signature of a message: its covered components and parameters, read once from the inner list in Signature-Input.

# None of these classes can be part of a cycle, so the collector need not know them.
@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class _Message:
    # What the candidates of one request share: the head, what sf may assume, and values that are costly to make.
    cdef Head head
    cdef object structured
    cdef dict query_parameters
    cdef dict dictionaries
    cdef dict strict_values


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Candidate:
    cdef _Message message
    cdef bytes owner                # keeps alive what the spans point into
    cdef Span whole                 # the inner list with its parameters
    cdef Py_ssize_t list_length     # of `whole`, without the parameters
    cdef Component* components_
    cdef int room                   # for components
    cdef int count
    cdef Span strings[4]            # of the parameters nonce, alg, keyid, tag, in quotes' inside; at NULL: not there
    cdef readonly str label, reason, detail
    cdef readonly bytes signature
    cdef int64_t times[2]           # created, expires; -1: not there

    def __init__(self, *args, **kwargs):
        raise TypeError("candidates are made by select()")

    def __dealloc__(self):
        free(self.components_)

    @property
    def created(self):
        return None if self.times[0] < 0 else self.times[0]

    @property
    def expires(self):
        return None if self.times[1] < 0 else self.times[1]

    @property
    def nonce(self):
        return self.string(0)

    @property
    def alg(self):
        return self.string(1)

    @property
    def keyid(self):
        return self.string(2)

    @property
    def tag(self):
        return self.string(3)

    cdef str string(self, int index):
        # Made when asked for: most requests are judged without most of them.
        return None if self.strings[index].at == NULL else unescape(self.strings[index])

    @property
    def params(self):
        return span_bytes(self.whole)

    @property
    def components(self):
        return self.whole.at[:self.list_length].decode("ascii")

    def covers(self, bytes name not None):
        cdef Span wanted
        cdef int i
        wanted.at = <const uint8_t*>PyBytes_AS_STRING(name)
        wanted.length = PyBytes_GET_SIZE(name)
        for i in range(self.count):
            # R9: with key, name, req or tr it is another component.
            if self.components_[i].flags & ~(P_SF | P_BS):
                continue
            if same(self.components_[i].name, wanted) or (self.components_[i].digest and same(wanted, CONTENT_DIGEST)):
                return True
        return False

    def field_names(self):
        cdef int i
        cdef list names = []
        for i in range(self.count):
            if self.components_[i].kind != FIELD:
                continue
            name = b"content-digest" if self.components_[i].digest else span_bytes(self.components_[i].name)
            if name not in names:
                names.append(name)
        return names

    def base(self, bytes scheme not None, bytes authority not None):
        return signature_base(self, scheme, authority)

    cdef int grow(self) except -1:
        cdef int room = 6 if self.room == 0 else COMPONENT_LIMIT
        cdef Component* components = <Component*>realloc(self.components_, room * sizeof(Component))
        if components == NULL:
            raise MemoryError()
        self.components_ = components
        self.room = room
        return 0

    cdef void refuse(self, str reason, str detail):
        # The first offence is the one that is told.
        if self.reason is None:
            self.reason = reason
            self.detail = detail

    cdef void read_component(self, Component* component, bint capital_content_digest):
        # What kind of component the name means.
        cdef Py_ssize_t i
        cdef int kind
        cdef uint8_t any_class = 0, every_class = 255
        cdef bint upper, token
        for i in range(component.name.length):
            any_class |= CLASS[component.name.at[i]]
            every_class &= CLASS[component.name.at[i]]
        upper = any_class & C_UALPHA
        token = component.name.length > 0 and every_class & C_TCHAR
        component.digest = is_content_digest(component.name)
        if upper and not (component.digest and capital_content_digest):
            self.refuse("signature.component_case", shown(component.name))
            return
        if component.name.length and component.name.at[0] == 64:
            kind = derived_kind(component.name)
            if kind < 0:
                self.refuse("signature.unknown_component", shown(component.name))
                return
            component.kind = <ComponentKind>kind
        elif not token:
            self.refuse("signature.unknown_component", shown(component.name))
        else:
            component.kind = FIELD

    cdef void read_component_parameter(self, Component* component, Span key, Bare* bare, uint8_t* ill_typed):
        cdef uint8_t flag
        if spells(key, b"sf", 2):
            flag = P_SF
        elif spells(key, b"bs", 2):
            flag = P_BS
        elif spells(key, b"key", 3):
            flag = P_KEY
        elif spells(key, b"name", 4):
            flag = P_NAME
        elif spells(key, b"req", 3):
            flag = P_REQ
        elif spells(key, b"tr", 2):
            flag = P_TR
        else:
            self.refuse("signature.unknown_component_parameter", f"{shown(component.name)} has ;{shown(key)}")
            return
        if component.flags & flag:
            self.refuse("signature.duplicate_parameter", f"{shown(component.name)} has ;{shown(key)} twice")
        component.flags |= flag
        if flag == P_REQ:
            self.refuse("signature.request_component", shown(component.name))   # RFC 9421 §2.4
        elif flag == P_TR:
            self.refuse("signature.trailer_component", shown(component.name))
        elif flag == P_KEY or flag == P_NAME:
            if bare.kind != BARE_STRING:
                ill_typed[0] |= flag
            component.argument = bare.text
        elif bare.kind != BARE_BOOLEAN or bare.number != 1:
            ill_typed[0] |= flag

    cdef void check_parameter_use(self, Component* component, uint8_t ill_typed):
        cdef uint8_t flags = component.flags
        cdef str fault = None
        if ill_typed:
            fault = "a parameter has a value of the wrong type"
        elif flags & P_BS and flags & (P_SF | P_KEY):
            fault = "bs excludes sf and key"                    # RFC 9421 §2.1
        elif component.kind != FIELD and flags & (P_SF | P_BS | P_KEY):
            fault = "sf, bs and key are for fields"             # RFC 9421 §2.1
        elif component.kind != QUERY_PARAM and flags & P_NAME:
            fault = "name is for @query-param"                  # RFC 9421 §2.2.8
        elif component.kind == QUERY_PARAM and not flags & P_NAME:
            fault = "@query-param needs name"
        if fault is not None:
            self.refuse("signature.bad_component_parameter", f"{shown(component.name)}: {fault}")

    cdef void check_duplicate(self, int index):
        cdef Component* new = &self.components_[index]
        cdef Component* old
        cdef int i
        for i in range(index):
            old = &self.components_[i]
            # RFC 9421 §2: the order of parameters does not make two identifiers different.
            if old.flags != new.flags or not (same(old.name, new.name) or (old.digest and new.digest)):
                continue
            if old.flags & (P_KEY | P_NAME) and not same(old.argument, new.argument):
                continue
            self.refuse("signature.duplicate_component", span_bytes(new.text).decode("ascii"))
            return

    cdef bint read_components(self, Cursor* cursor, bint* canonical, bint capital_content_digest) except -1:
        # RFC 9651 §4.2.1.2, of strings. False: malformed.
        cdef Component component
        cdef Bare bare
        cdef Span key
        cdef int found
        cdef uint8_t ill_typed
        cdef bint first = True
        cdef const uint8_t* before
        if cursor.at >= cursor.end or cursor.at[0] != 40:
            return False
        cursor.at += 1
        while True:
            before = cursor.at
            skip_spaces(cursor)
            if cursor.at >= cursor.end:
                return False
            if cursor.at[0] == 41:
                if cursor.at != before:
                    canonical[0] = False
                cursor.at += 1
                return True
            if cursor.at - before != (0 if first else 1):
                canonical[0] = False
            component.text.at = cursor.at
            if cursor.at[0] != 34 or not scan_string(cursor, &bare):
                return False
            component.kind = FIELD
            component.flags = 0
            component.name = bare.text
            ill_typed = 0
            if self.reason is None and self.count < COMPONENT_LIMIT:
                self.read_component(&component, capital_content_digest)
            while True:
                found = scan_parameter(cursor, &key, &bare, canonical)
                if found < 0:
                    return False
                if found == 0:
                    break
                if self.reason is None:
                    self.read_component_parameter(&component, key, &bare, &ill_typed)
            component.text.length = cursor.at - component.text.at
            if cursor.at >= cursor.end or (cursor.at[0] != 32 and cursor.at[0] != 41):
                return False
            if self.reason is None:
                self.check_parameter_use(&component, ill_typed)
            if self.count < COMPONENT_LIMIT:
                if self.count == self.room:
                    self.grow()
                self.components_[self.count] = component
                if self.reason is None:
                    self.check_duplicate(self.count)
            self.count += 1
            first = False

    cdef bint read_parameters(self, Cursor* cursor, bint* canonical) except -1:
        # RFC 9421 §2.3. Unknown parameters stay in the base and mean nothing to us. False: malformed.
        cdef Span key
        cdef Bare bare
        cdef int found
        cdef uint8_t seen = 0, bit
        cdef set unknown = None
        while True:
            found = scan_parameter(cursor, &key, &bare, canonical)
            if found <= 0:
                return found == 0
            if self.reason is not None:
                continue
            if spells(key, b"created", 7):
                bit = 1
            elif spells(key, b"expires", 7):
                bit = 2
            elif spells(key, b"nonce", 5):
                bit = 4
            elif spells(key, b"alg", 3):
                bit = 8
            elif spells(key, b"keyid", 5):
                bit = 16
            elif spells(key, b"tag", 3):
                bit = 32
            else:
                if unknown is None:
                    unknown = set()
                name = span_bytes(key)
                if name in unknown:
                    self.refuse("signature.duplicate_parameter", shown(key))
                unknown.add(name)
                continue
            if seen & bit:
                self.refuse("signature.duplicate_parameter", shown(key))
                continue
            seen |= bit
            if bit <= 2:
                if bare.kind != BARE_INTEGER or bare.number < 0:
                    self.refuse("signature.bad_parameter", f"{shown(key)} is not a non-negative integer")
                else:
                    self.times[bit - 1] = bare.number
                continue
            if bare.kind != BARE_STRING:
                self.refuse("signature.bad_parameter", f"{shown(key)} is not a string")
            elif bit == 4:
                self.strings[0] = bare.text
            elif bit == 8:
                self.strings[1] = bare.text
            elif bit == 16:
                self.strings[2] = bare.text
            else:
                self.strings[3] = bare.text

    cdef int read(self, Cursor* cursor, bint capital_content_digest) except -1:
        # Fill from one inner list with parameters. 0: malformed, 1: done, 2: done, but the text is not canonical.
        cdef bint canonical = True
        cdef const uint8_t* start = cursor.at
        cdef const uint8_t* list_end
        cdef int index
        self.count = 0
        self.reason = None
        self.detail = ""
        for index in range(4):
            self.strings[index].at = NULL
        self.times[0] = self.times[1] = -1
        if not self.read_components(cursor, &canonical, capital_content_digest):
            return 0
        list_end = cursor.at
        if self.count > COMPONENT_LIMIT:
            self.count = 0
            self.reason = "signature.too_many_components"
        elif self.count == 0:
            self.refuse("signature.empty_coverage", "")
        if not self.read_parameters(cursor, &canonical):
            return 0
        self.whole.at = start
        self.whole.length = cursor.at - start
        self.list_length = list_end - start
        return 1 if canonical else 2


cdef Candidate read_candidate(_Message message, bytes owner, Cursor* cursor, bint capital_content_digest):
    # The candidate whose inner list begins at the cursor, which ends behind it; None if that is malformed.
    cdef Candidate candidate = Candidate.__new__(Candidate)
    cdef Cursor own
    cdef int outcome = candidate.read(cursor, capital_content_digest)
    if outcome == 0:
        return None
    candidate.message = message
    candidate.owner = owner
    if outcome == 1 or candidate.reason is not None:
        return candidate
    # RFC 9421 §2.3, §3.2: the base has the strict serialisation, whatever white space the field had.
    own.at = candidate.whole.at
    own.end = cursor.at
    owner = _member_text(_member_object(&own)).encode("ascii")
    own.at = <const uint8_t*>PyBytes_AS_STRING(owner)
    own.end = own.at + PyBytes_GET_SIZE(owner)
    # Not "canonical?" again: that is a guess on the safe side, and a display string never passes it.
    if candidate.read(&own, capital_content_digest) == 0:
        raise AssertionError("a strict serialisation can be read")
    candidate.owner = owner
    return candidate
