"""The same octets to both planes: what they answer, how they end the connection, and what the backend saw, is one."""

import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.registry.keys import EPOCH
from tests.fault.valkey import Valkey
from tests.integration.backend import OK, Peer, RecordingBackend, Seen, answer
from tests.integration.client import Broken, RawClient
from tests.integration.harness import Device, Gateway, make_config
from tests.integration.test_proxy_refusals import refused_requests
from tests.native.test_wire import STREAMS

HOST = b"Host: wfm.example.com\r\n"
OPEN = b"GET /api/v1/onboarding/certificate HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
"""Ends the connection, if what stood before it has left it in step."""

_REFUSED = re.compile(rb"X-Request-Id: ([^\r]*)")
_CHANGING = re.compile(rb"Date: [^\r]*|X-Request-Id: [^\r]*|\"requestId\":\"[^\"]*\"")


class Side:
    """One plane with a backend of its own."""

    def __init__(self, plane: str, valkey: Valkey, base: Path, stack: ExitStack, **sections: Any) -> None:
        self.backend = stack.enter_context(RecordingBackend())
        sections["listen"] = {"plane": plane}
        sections["log"] = {"level": "debug"}
        sections["limits"] = {
            "head_timeout_s": 0.1,
            "body_timeout_s": 0.1,
            "idle_timeout_s": 0.3,
            **sections.get("limits", {}),
        }
        self.gateway = stack.enter_context(Gateway(make_config(self.backend.url, base, **sections), valkey.endpoint))

    def converse(self, pieces: list[bytes]) -> tuple[bytes, str]:
        """What comes back, and how the connection ends."""
        with RawClient(self.gateway.address) as client:
            try:
                for piece in pieces:
                    client.send(piece)
                said, end = client.rest(), "eof"
            except Broken as broken:
                said, end = broken.received, broken.kind
            except (BrokenPipeError, ConnectionResetError):
                said, end = b"", "reset"
        return said, end

    def second_parser(self, said: bytes) -> bool:
        """Did aiohttp's parser refuse a request behind ours? It knows fewer methods than there are."""
        refused = {one.decode() for one in _REFUSED.findall(said)}

        def found() -> list[Any]:
            lines = [line for line in self.gateway.lines("request.refused") if line["requestId"] in refused]
            return [lines] if len(lines) == len(refused) else []

        (lines,) = self.gateway.wait_for(found)
        return any(line.get("detail", "").startswith("the second parser") for line in lines)

    def seen(self) -> list[tuple[bytes, bytes]]:
        """What the backend has seen since the last call, in an order of its own."""
        requests, self.backend.requests = self.backend.requests, []
        return sorted((seen.head, seen.body) for seen in requests)


class Both:
    """Both planes."""

    def __init__(self, native: Side, reference: Side, valkey: Valkey) -> None:
        self.native = native
        self.reference = reference
        self._valkey = valkey

    def compare(self, name: str, *pieces: bytes) -> bytes:
        """Send the same to both; returns what both said."""
        said, end = self.native.converse(list(pieces))
        found = _CHANGING.sub(b"", said), end, self.native.seen()
        self.forget_claims()
        said, end = self.reference.converse(list(pieces))
        wanted = _CHANGING.sub(b"", said), end, self.reference.seen()
        self.forget_claims()
        if found != wanted and not self.reference.second_parser(said):
            assert found == wanted, name
        return found[0]

    def forget_claims(self) -> None:
        """What one plane has claimed must not be the other's replay."""
        for key in self._valkey.client.scan_iter("wfmgw:seen:*"):
            if key != EPOCH:
                self._valkey.client.delete(key)


@pytest.fixture
def make_both(valkey: Valkey, tmp_path: Path) -> Iterator[Callable[..., Both]]:
    """Starts both planes with the same sections of a configuration."""
    with ExitStack() as stack:

        def make(**sections: Any) -> Both:
            native, reference = (Side(plane, valkey, tmp_path, stack, **sections) for plane in ("native", "aiohttp"))
            return Both(native, reference, valkey)

        yield make


def test_every_refusal(make_both: Callable[..., Both], device: Device) -> None:
    both = make_both(policy={"body_limit_bytes": 1000})
    for name, raw in refused_requests(device).items():
        said = both.compare(name, raw + LAST)
        assert said.startswith(b"HTTP/1.1 "), name
        both.compare(f"{name}, behind a good one", OPEN + device.request() + raw + LAST)
        # Whether all of it has arrived when it is refused, and so whether the connection is kept, is a race on either.
        pieces = [raw[at : at + 97] for at in range(0, len(raw), 97)]
        first = {side.converse([*pieces, LAST])[0].partition(b"\r\n")[0] for side in (both.native, both.reference)}
        assert len(first) == 1, name


def good_requests(device: Device) -> dict[str, bytes]:
    """What is let through, one way or another."""
    with_1_0 = device.request("GET", "deployments").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    return {
        "open": OPEN,
        "open, with a body": OPEN.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
        "open, with chunks": OPEN.replace(
            b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        "get": device.request("GET", "deployments"),
        "head": device.request("HEAD", "deployments"),
        "post": device.request(body=b"0123456789" * 50),
        "empty post": device.request(body=b""),
        "chunks": device.chunked([b"abc", b"d" * 300], trailers=b"X-T: 1\r\n"),
        "chunks, none": device.chunked([]),
        "extension": device.chunked([b"abc"]).replace(b"\r\n3\r\nabc", b"\r\n3;a=b\r\nabc"),
        "expectation": device.request(body=b"x" * 30, fields=(("Expect", "100-continue"),)),
        "1.0": with_1_0,
        "1.0 that wants to stay": with_1_0.replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1),
        "close": device.request(fields=(("Connection", "close"),)),
        "crlf before": b"\r\n" + device.request(),
        "absolute": OPEN.replace(b"GET /", b"GET https://wfm.example.com/"),
        "hop by hop": device.request(fields=(("Connection", "x-a, te"), ("X-A", "1"), ("TE", "trailers"))),
        "spooled": device.request(body=b"z" * 30_000),
        "spooled chunks": device.chunked([b"z" * 30_000, b"y"]),
        "replay": (again := device.request()) + again,
    }


def without_body_for_head(peer: Peer, seen: Seen) -> bool:
    """Answers 200."""
    peer.sock.sendall(OK[:-2] if seen.request_line.startswith(b"HEAD") else OK)
    return True


def test_every_good_request(make_both: Callable[..., Both], device: Device) -> None:
    both = make_both(limits={"spool_bytes": 20_000})
    requests = good_requests(device)
    for side in (both.native, both.reference):
        side.backend.script = without_body_for_head
    for name, raw in requests.items():
        said = both.compare(name, raw + LAST)
        assert b" 200 OK\r\n" in said, name
        both.compare(f"{name}, twice", raw + device.request() + LAST)
        both.compare(f"{name}, cut in the middle", raw[: len(raw) // 2])
    both.compare("all of them", b"".join(requests.values()) + LAST)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_the_cut_makes_no_difference(make_both: Callable[..., Both], device: Device, size: int) -> None:
    both = make_both()
    raw = device.chunked([b"abc", b"defg"], trailers=b"X: 1\r\n") + device.request(body=b"x" * 50) + OPEN + LAST
    said = both.compare("in pieces", *[raw[at : at + size] for at in range(0, len(raw), size)])
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_streams_of_the_reader(make_both: Callable[..., Both], device: Device) -> None:
    both = make_both()
    for name, raw in STREAMS.items():
        both.compare(name, raw + LAST)


def test_every_answer(make_both: Callable[..., Both], device: Device) -> None:
    both = make_both(upstream={"response_timeout_s": 0.3})

    def ending(data: bytes, reset: bool = False) -> Callable[[Peer, Seen], bool]:
        def send(peer: Peer, seen: Seen) -> bool:
            peer.sock.sendall(data)
            if reset:
                peer.reset()
            return False

        return send

    head = b"HTTP/1.1 200 OK\r\nDate: x\r\n"
    scripts = {
        "small": answer(OK),
        "chunks": answer(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        "up to the end": ending(head + b"\r\nabc"),
        "large": answer(head + b"Content-Length: 500000\r\n\r\n" + b"x" * 500_000),
        "none": answer(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "not modified": answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        "interim": answer(b"HTTP/1.1 103 Early\r\n\r\n" + OK),
        "hop by hop": answer(head + b"Connection: x-a\r\nX-A: 1\r\nWfm-X: 1\r\nContent-Length: 0\r\n\r\n"),
        "switching": answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        "garbage": ending(b"SSH-2.0-OpenSSH\r\n"),
        "two lengths": answer(head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "silence": lambda peer, seen: peer.read_until(b"never") is not None,
        "hang-up": ending(b""),
        "broken off": ending(head + b"Content-Length: 100\r\n\r\nabc"),
    }
    for name, script in scripts.items():
        for side in (both.native, both.reference):
            side.backend.script = script
        both.compare(name, device.request(), LAST)
        both.compare(f"{name}, GET", device.request("GET", "deployments"), LAST)
        if name in ("none", "not modified", "hop by hop", "silence", "hang-up"):  # those that send no content
            both.compare(f"{name}, HEAD", device.request("HEAD", "deployments"), LAST)


def test_mutated_requests(make_both: Callable[..., Both], device: Device) -> None:
    """Whatever stands in them: nothing is let through by one plane alone."""
    both = make_both(limits={"head_timeout_s": 0.1, "body_timeout_s": 0.1}, policy={"replay": "off"})
    chance = random.Random(9421)
    raws = [OPEN + raw + LAST for raw in (device.chunked([b"abc", b"def"]), device.request(body=b"0123456789"))]
    mutated = [_mutate(chance.choice(raws), chance) for _ in range(1000)]

    with ThreadPoolExecutor(16) as pool:
        natives = list(pool.map(lambda raw: both.native.converse([raw]), mutated))
        references = list(pool.map(lambda raw: both.reference.converse([raw]), mutated))
    equal = 0
    for raw, (said, end), (wanted, wanted_end) in zip(mutated, natives, references, strict=True):
        if (_CHANGING.sub(b"", said), end) == (_CHANGING.sub(b"", wanted), wanted_end):
            equal += 1
        else:
            assert both.reference.second_parser(wanted), raw
    assert equal > len(mutated) // 2


_OCTETS = (b"\r", b"\n", b"\r\n", b" ", b":", b"\x00", b"\t", b"0", b"\xff", b";", b"Content-Length: 3\r\n", b"chunked")


def _mutate(raw: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(OPEN) - 4, len(raw) - len(LAST) + 10)
        match chance.randrange(4):
            case 0:
                raw = raw[:at] + raw[at + chance.choice((1, 1, 2, 20)) :]
            case 1:
                raw = raw[:at] + chance.choice(_OCTETS) + raw[at:]
            case 2:
                raw = raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
            case _:
                raw = raw[:at] + raw[max(0, at - 30) :]
    return raw
