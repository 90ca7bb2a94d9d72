# Many small values by key, without a Python object for each: what a worker remembers of a fleet (L1).
#
# A hundred thousand records as objects would be a hundred megabytes that every full collection walks through. Here
# each is one piece of memory, the collector sees none of them, and the bound in octets is exact.

cdef enum:
    FIRST_BUCKETS = 64
    ALLOCATION_OVERHEAD = 16        # what malloc adds to a piece


cdef struct Packed:
    Packed* following               # in the same bucket
    Packed* newer
    Packed* older
    Py_hash_t hash
    uint32_t key_length
    uint32_t value_length
    # Key and value stand behind it.


cdef inline uint8_t* octets_of(Packed* entry) noexcept:
    return <uint8_t*>entry + sizeof(Packed)


cdef inline Py_ssize_t weight_of(Packed* entry) noexcept:
    return sizeof(Packed) + ALLOCATION_OVERHEAD + entry.key_length + entry.value_length


@cython.final
@cython.auto_pickle(False)
cdef class PackedTable:
    cdef Packed** buckets
    cdef Py_ssize_t bucket_count    # a power of two
    cdef Packed* newest
    cdef Packed* oldest
    cdef Py_ssize_t count
    cdef Py_ssize_t weight

    def __cinit__(self):
        self.bucket_count = FIRST_BUCKETS
        self.buckets = <Packed**>calloc(FIRST_BUCKETS, sizeof(Packed*))
        if self.buckets == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.buckets != NULL:
            self.free_all()
            free(self.buckets)

    def __len__(self):
        return self.count

    @property
    def octets(self):
        return self.weight + self.bucket_count * <Py_ssize_t>sizeof(Packed*)

    def get(self, bytes key not None):
        cdef Packed* entry = self.find(key)[0]
        if entry == NULL:
            return None
        if entry != self.newest:
            self.unlink(entry)
            self.link_newest(entry)
        return PyBytes_FromStringAndSize(<const char*>octets_of(entry) + entry.key_length, entry.value_length)

    def put(self, bytes key not None, bytes value not None):
        cdef Py_ssize_t key_length = PyBytes_GET_SIZE(key)
        cdef Py_ssize_t value_length = PyBytes_GET_SIZE(value)
        cdef Packed* entry
        cdef Packed** place
        if key_length > 0xffff or value_length > 0xffffff:
            raise ValueError("a key has at most 65,535 octets, a value 16,777,215")
        entry = <Packed*>malloc(sizeof(Packed) + key_length + value_length)
        if entry == NULL:
            raise MemoryError
        entry.hash = hash(key)
        entry.key_length = <uint32_t>key_length
        entry.value_length = <uint32_t>value_length
        memcpy(octets_of(entry), PyBytes_AS_STRING(key), key_length)
        memcpy(octets_of(entry) + key_length, PyBytes_AS_STRING(value), value_length)
        self.take_out(self.find(key))
        if self.count >= self.bucket_count:
            self.grow()
        place = &self.buckets[entry.hash & (self.bucket_count - 1)]
        entry.following = place[0]
        place[0] = entry
        self.link_newest(entry)
        self.count += 1
        self.weight += weight_of(entry)

    def remove(self, bytes key not None):
        return self.take_out(self.find(key))

    def oldest_key(self):
        if self.oldest == NULL:
            return None
        return PyBytes_FromStringAndSize(<const char*>octets_of(self.oldest), self.oldest.key_length)

    def clear(self):
        self.free_all()
        memset(self.buckets, 0, self.bucket_count * sizeof(Packed*))

    cdef Packed** find(self, bytes key) except NULL:
        """Where the pointer to the entry of `key` stands, or would stand: never NULL itself."""
        cdef Py_hash_t hashed = hash(key)
        cdef Py_ssize_t length = PyBytes_GET_SIZE(key)
        cdef Packed** place = &self.buckets[hashed & (self.bucket_count - 1)]
        while place[0] != NULL:
            if (
                place[0].hash == hashed
                and place[0].key_length == length
                and memcmp(octets_of(place[0]), PyBytes_AS_STRING(key), length) == 0
            ):
                break
            place = &place[0].following
        return place

    cdef bint take_out(self, Packed** place) noexcept:
        cdef Packed* entry = place[0]
        if entry == NULL:
            return False
        place[0] = entry.following
        self.unlink(entry)
        self.count -= 1
        self.weight -= weight_of(entry)
        free(entry)
        return True

    cdef void link_newest(self, Packed* entry) noexcept:
        entry.newer = NULL
        entry.older = self.newest
        if self.newest != NULL:
            self.newest.newer = entry
        self.newest = entry
        if self.oldest == NULL:
            self.oldest = entry

    cdef void unlink(self, Packed* entry) noexcept:
        if entry.newer != NULL:
            entry.newer.older = entry.older
        else:
            self.newest = entry.older
        if entry.older != NULL:
            entry.older.newer = entry.newer
        else:
            self.oldest = entry.newer

    cdef int grow(self) except -1:
        cdef Py_ssize_t wanted = 2 * self.bucket_count
        cdef Packed** larger = <Packed**>calloc(wanted, sizeof(Packed*))
        cdef Packed* entry = self.newest
        cdef Packed** place
        if larger == NULL:
            raise MemoryError
        while entry != NULL:
            place = &larger[entry.hash & (wanted - 1)]
            entry.following = place[0]
            place[0] = entry
            entry = entry.older
        free(self.buckets)
        self.buckets = larger
        self.bucket_count = wanted
        return 0

    cdef void free_all(self) noexcept:
        cdef Packed* entry = self.newest
        cdef Packed* older
        while entry != NULL:
            older = entry.older
            free(entry)
            entry = older
        self.newest = self.oldest = NULL
        self.count = 0
        self.weight = 0
