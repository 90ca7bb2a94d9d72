# The one way in which native code says no: a reason from gateway/reasons.py and a detail for the operator.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset
from cpython.unicode cimport PyUnicode_1BYTE_DATA
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from binascii import b2a_base64
from urllib.parse import quote as percent_encode, unquote_to_bytes


class Refused(Exception):
    def __init__(self, reason, detail=""):
        super().__init__(reason, detail)

    @property
    def reason(self):
        return self.args[0]

    @property
    def detail(self):
        return self.args[1]
