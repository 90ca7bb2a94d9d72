"""The PROXY protocol, versions 1 and 2, as a load balancer puts it in front of a connection; strict and bounded.

Octets are looked at before they are taken, so that not one of what comes behind the header is touched.
"""

import ipaddress
import re
from typing import Final

from gateway._native import Refused
from gateway.reasons import Reason

V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_LIMIT_BYTES: Final = 2048
"""The longest version 2 header that is taken: addresses need 216 at most, the rest are TLVs, which are skipped."""

V1_LIMIT_BYTES: Final = 107
"""The longest version 1 header (section 2.1), CR and LF counted."""

PEEK_BYTES: Final = V2_LIMIT_BYTES

_V1_BEGIN: Final = b"PROXY "
_PORT: Final = rb"(?:0|[1-9][0-9]{0,4})"
# Section 2.1: single spaces, addresses in their canonical form, ports without leading zeros.
_V1: Final = re.compile(
    rb"PROXY (?:(TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (%b) (%b)|UNKNOWN(?: [ -~]*)?)" % (_PORT, _PORT)
)

_LOCAL, _PROXY = 0, 1
_ADDRESSES: Final = {0x11: 12, 0x21: 36, 0x31: 216}
"""Octets of the address block by family and transport (section 2.2): TCP over IPv4 and IPv6, unix streams."""


class ProxyHeader:
    """One header as it arrives. When `done`, `source` is the address of the client in text; None where the balancer
    speaks for itself (LOCAL) or cannot name one (UNKNOWN, unix sockets)."""

    def __init__(self) -> None:
        self.done = False
        self.source: str | None = None
        self._held = b""

    def take(self, seen: bytes) -> int:
        """How many of the octets `seen`, the next ones on the connection, belong to the header: they are consumed.

        :raises Refused: request.bad_request_line for anything that is not exactly a header
        """
        before = len(self._held)
        octets = self._held + seen
        if octets.startswith(V2_SIGNATURE):
            end = self._version_2(octets)
        elif octets.startswith(_V1_BEGIN):
            end = self._version_1(octets)
        elif V2_SIGNATURE.startswith(octets) or _V1_BEGIN.startswith(octets):
            end = len(octets)
        else:
            raise _refused("the connection does not begin with a PROXY header")
        self._held = octets[:end]
        return end - before

    def _version_1(self, octets: bytes) -> int:
        end = octets.find(b"\n", 0, V1_LIMIT_BYTES)
        if end < 0:
            if len(octets) >= V1_LIMIT_BYTES:
                raise _refused(f"a PROXY line of more than {V1_LIMIT_BYTES} octets")
            return len(octets)
        line = octets[:end]
        match = _V1.fullmatch(line.removesuffix(b"\r"))
        if match is None or not line.endswith(b"\r"):
            raise _refused("a malformed PROXY line")
        if match[1] is not None:
            version = 4 if match[1] == b"TCP4" else 6
            source, destination = (_address(text, version) for text in match.group(2, 3))
            if max(int(match[4]), int(match[5])) > 65535 or destination is None or source is None:
                raise _refused("a PROXY line with a malformed address or port")
            self.source = source
        self.done = True
        return end + 1

    def _version_2(self, octets: bytes) -> int:
        if len(octets) < 16:
            return len(octets)
        kind, family = octets[12], octets[13]
        length = int.from_bytes(octets[14:16], "big")
        if kind >> 4 != 2 or kind & 15 not in (_LOCAL, _PROXY):
            raise _refused("a PROXY header of an unknown version or command")
        end = 16 + length
        if end > V2_LIMIT_BYTES:
            raise _refused(f"a PROXY header of {end} octets, {V2_LIMIT_BYTES} are allowed")
        if kind & 15 == _PROXY and family != 0:
            size = _ADDRESSES.get(family)
            if size is None or length < size:
                raise _refused("a PROXY header of an unsupported family, or too short for it")
        if len(octets) < end:
            return len(octets)
        if kind & 15 == _PROXY and family in (0x11, 0x21):
            self.source = str(ipaddress.ip_address(octets[16 : 20 if family == 0x11 else 32]))
        self.done = True
        return end


def _address(text: bytes, version: int) -> str | None:
    try:
        address = ipaddress.ip_address(text.decode())
    except ValueError:
        return None
    return str(address) if address.version == version else None


def _refused(detail: str) -> Refused:
    return Refused(Reason.REQUEST_LINE, detail)
