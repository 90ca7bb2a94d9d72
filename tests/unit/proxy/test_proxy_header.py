"""The PROXY protocol parser: strict, bounded, and never takes an octet of what stands behind the header (R5, R6)."""

import random
import socket
import struct

import pytest

from gateway._native import Refused
from gateway.proxy.proxy_header import V1_LIMIT_BYTES, V2_LIMIT_BYTES, V2_SIGNATURE, ProxyHeader

BEHIND = b"GET / HTTP/1.1\r\n"


def version_2(command: int, family: int, block: bytes, version: int = 2) -> bytes:
    return V2_SIGNATURE + struct.pack("!BBH", version << 4 | command, family, len(block)) + block


def tcp4(source: str = "192.0.2.9") -> bytes:
    return socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 50000, 443)


def tcp6(source: str = "2001:db8::9") -> bytes:
    pair = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    return pair + struct.pack("!HH", 50000, 443)


GOOD = [
    (b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443\r\n", "192.0.2.9"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n", "255.255.255.255"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 50000 443\r\n", "2001:db8::9"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    (version_2(1, 0x11, tcp4()), "192.0.2.9"),
    (version_2(1, 0x21, tcp6()), "2001:db8::9"),
    (version_2(1, 0x11, tcp4() + b"\x03\x00\x04abcd" + b"\xee\x00\x10" + b"x" * 16), "192.0.2.9"),
    (version_2(1, 0x31, b"/run/x".ljust(108, b"\0") * 2), None),
    (version_2(1, 0x00, b""), None),
    (version_2(0, 0x00, b""), None),
    (version_2(0, 0x11, tcp4()), None),
    (version_2(0, 0x31, b"anything"), None),
    (version_2(1, 0x11, tcp4() + b"\0" * (V2_LIMIT_BYTES - 28)), "192.0.2.9"),
]


@pytest.mark.parametrize(("header", "source"), GOOD)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_header_in_pieces_of_any_size(header: bytes, source: str | None, step: int) -> None:
    parser, stream = ProxyHeader(), header + BEHIND
    while not parser.done:
        taken = parser.take(stream[:step])
        assert 0 < taken <= step
        stream = stream[taken:]
    assert parser.source == source
    assert stream == BEHIND


BAD = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00",
    b"proxy TCP4 192.0.2.9 198.51.100.1 50000 443\r\n",
    b"PROXY\tTCP4 192.0.2.9 198.51.100.1 50000 443\r\n",
    b"PROXY  TCP4 192.0.2.9 198.51.100.1 50000 443\r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443 \r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 50000\r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 050000 443\r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 65536 443\r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100.1 +5000 443\r\n",
    b"PROXY TCP4 192.0.2.009 198.51.100.1 50000 443\r\n",
    b"PROXY TCP4 192.0.2.9 198.51.100 50000 443\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 50000 443\r\n",
    b"PROXY TCP4 2001:db8::9 2001:db8::1 50000 443\r\n",
    b"PROXY TCP6 192.0.2.9 198.51.100.1 50000 443\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::1 50000 443\r\n",
    b"PROXY UDP4 192.0.2.9 198.51.100.1 50000 443\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY UNKNOWN \x00\r\n",
    b"PROXY UNKNOWN a\rb\r\n",
    b"PROXY UNKNOWN " + b"x" * V1_LIMIT_BYTES,
    version_2(1, 0x11, tcp4(), version=1),
    version_2(2, 0x11, tcp4()),
    version_2(1, 0x12, tcp4()),
    version_2(1, 0x41, tcp4()),
    version_2(1, 0x11, tcp4()[:-1]),
    version_2(1, 0x21, tcp4()),
    version_2(1, 0x31, tcp4()),
    version_2(1, 0x11, tcp4() + b"\0" * (V2_LIMIT_BYTES - 27)),
    V2_SIGNATURE[:-1] + b"\r",
]


@pytest.mark.parametrize("header", BAD)
@pytest.mark.parametrize("step", [1, 10_000])
def test_anything_else_is_refused(header: bytes, step: int) -> None:
    parser, stream = ProxyHeader(), header + BEHIND

    def read_all(stream: bytes) -> None:
        while stream and not parser.done:
            stream = stream[parser.take(stream[:step]) :]

    with pytest.raises(Refused) as refused:
        read_all(stream)
    assert refused.value.reason == "request.bad_request_line"
    assert not parser.done


def test_r5_noise_ends_within_bounds_and_raises_nothing_else() -> None:
    randomness = random.Random(7)
    for _ in range(3000):
        header = bytearray(randomness.choice(GOOD)[0] + BEHIND)
        for _ in range(randomness.randint(1, 3)):
            header[randomness.randrange(len(header))] = randomness.randrange(256)
        parser, stream, taken = ProxyHeader(), bytes(header), 0
        try:
            while stream and not parser.done:
                count = parser.take(stream[:64])
                taken, stream = taken + count, stream[count:]
        except Refused:
            continue
        assert taken <= V2_LIMIT_BYTES
