"""Unknown ids are looked up at the WFM, with a real store and a backend that answers octet for octet (R5, R20, R22, R23)."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.config.registry import Registry
from gateway.model import Client, Status
from gateway.proxy.origin import Origin
from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Denied, Found, Missing, Unavailable
from gateway.registry.claims import Claims
from gateway.registry.directory import Directory
from gateway.registry.keys import CHANGES
from gateway.registry.link import Link
from gateway.registry.recorder import Recorder
from gateway.registry.records import Record
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from tests.fault.rig import DEADLINE_S, PATIENT, Worker, run
from tests.fault.tls import issue
from tests.fault.valkey import Valkey
from tests.integration.backend import Peer, RecordingBackend, Seen, answer
from tests.support.certificates import certificate, p256_spki
from tests.unit.registry.scripted_link import ScriptedLink

PATH = "/clients/{clientId}/certificate"
DER = certificate(p256_spki())


def response(body: bytes, status: str = "200 OK", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def margo(der: bytes = DER) -> bytes:
    return response(json.dumps({"certificate": base64.b64encode(der).decode()}).encode())


@pytest.fixture
def wfm() -> Iterator[RecordingBackend]:
    with RecordingBackend() as made:
        made.script = answer(margo())
        yield made


class Gateway(Worker):
    """The registry's end of a worker that may ask an origin."""

    origin: Origin


@asynccontextmanager
async def gateway(valkey: Valkey, url: str, **options: Any) -> AsyncIterator[Gateway]:
    events: list[tuple[str, str]] = []

    def report(event: str, detail: str) -> None:
        events.append((event, detail))

    loop, clock = asyncio.get_running_loop(), SystemClock()
    recording = Link(valkey.endpoint, clock, loop, **PATIENT)
    link = Link(valkey.endpoint, clock, loop, **PATIENT)
    section = Registry(origin=url + PATH, origin_timeout_s=options.pop("timeout_s", 10.0), **options)
    origin = Origin(section, Recorder(recording, "origin", clock, durable=True), clock, report=report)
    directory = Directory(link, origin=origin)
    made = Gateway(link, directory, Claims(link, directory.changes), events)
    made.origin = origin
    for one in (link, recording):
        one.start()
    directory.start()
    try:
        await asyncio.wait_for(asyncio.gather(made.changes.ready(), recording.ready()), DEADLINE_S)
        yield made
    finally:
        await origin.close()
        directory.close()
        for one in (link, recording):
            one.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def find(valkey: Valkey, url: str, client_id: str = "dev1", **options: Any) -> Found:
    """What a fresh gateway says of one id."""

    async def body() -> Found:
        async with gateway(valkey, url, **options) as made:
            return await made.find(client_id)

    return run(body())


def record(valkey: Valkey, client_id: str = "dev1") -> Record | None:
    with Store.connect(valkey.endpoint, "test") as store:
        found = store.get("default", client_id)
    assert found is None or isinstance(found, Record)
    return found


def trouble(found: Found) -> str:
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.UPSTREAM_ORIGIN
    return found.detail


def test_r23_an_unknown_client_is_looked_up_once_recorded_and_told(valkey: Valkey, wfm: RecordingBackend) -> None:
    async def body() -> None:
        async with gateway(valkey, wfm.url) as made:
            found = await asyncio.gather(*(made.find("dev1") for _ in range(10)))
            assert all(isinstance(one, Client) and one.status is Status.ACTIVE for one in found)
            assert isinstance(await made.find("dev1"), Client)
            assert (made.origin.asked, made.directory.learned) == (1, 1)

    run(body())
    (seen,) = wfm.requests
    assert seen.request_line == b"GET /clients/dev1/certificate HTTP/1.1"
    assert seen.values(b"accept-encoding") == [b"identity"]
    assert [seen.values(name) for name in (b"cookie", b"authorization")] == [[], []]
    known = record(valkey)
    assert known is not None
    assert [one.der for one in known.certs] == [DER]
    _, notice = valkey.client.xrevrange(CHANGES, count=1)[0]
    assert (notice[b"id"], notice[b"what"], notice[b"who"]) == (b"dev1", b"added", b"origin")


def test_r23_what_is_known_is_not_asked_for_by_another_gateway(valkey: Valkey, wfm: RecordingBackend) -> None:
    for _ in range(2):
        assert isinstance(find(valkey, wfm.url), Client)
    assert len(wfm.requests) == 1


def test_r20_two_gateways_at_once_make_one_record(valkey: Valkey, wfm: RecordingBackend) -> None:
    async def body() -> None:
        async with gateway(valkey, wfm.url) as one, gateway(valkey, wfm.url) as other:
            both = await asyncio.gather(one.find("dev1"), other.find("dev1"))
            assert all(isinstance(found, Client) for found in both)

    run(body())
    assert valkey.client.xlen(CHANGES) == 1


def test_r5_a_no_is_remembered(valkey: Valkey, wfm: RecordingBackend) -> None:
    wfm.script = answer(response(b"", "404 Not Found"))

    async def body() -> None:
        async with gateway(valkey, wfm.url) as made:
            for _ in range(5):
                assert await made.find("dev1") == Missing()
            assert made.origin.asked == 1

    run(body())
    assert record(valkey) is None


def test_r5_no_more_than_so_many_at_a_time(valkey: Valkey, wfm: RecordingBackend) -> None:
    go = threading.Event()

    def wait(peer: Peer, seen: Seen) -> bool:
        assert go.wait(DEADLINE_S)
        peer.sock.sendall(response(b"", "404 Not Found"))
        return True

    wfm.script = wait

    async def body() -> None:
        async with gateway(valkey, wfm.url, origin_concurrency=2) as made:
            waiting = [asyncio.ensure_future(made.find(f"dev{number}")) for number in range(2)]
            await asyncio.to_thread(wfm.wait, lambda: len(wfm.requests) == 2)
            assert "origin_concurrency" in trouble(await made.find("dev2"))
            go.set()
            assert await asyncio.gather(*waiting) == [Missing(), Missing()]
            assert await made.find("dev2") == Missing()

    run(body())


def test_r23_redirects_are_not_followed(valkey: Valkey, wfm: RecordingBackend) -> None:
    wfm.script = answer(response(b"", "302 Found", f"Location: {wfm.url}/elsewhere"))
    assert "302" in trouble(find(valkey, wfm.url))
    assert len(wfm.requests) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_r5_a_long_answer_is_not_read(valkey: Valkey, wfm: RecordingBackend, chunked: bool) -> None:
    body = b"x" * 65_537
    if chunked:
        framed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        wfm.script = answer(framed)
    else:
        wfm.script = answer(response(body))
    assert "longer than 65536" in trouble(find(valkey, wfm.url))


def test_r23_a_compressed_answer_is_not_unpacked(valkey: Valkey, wfm: RecordingBackend) -> None:
    wfm.script = answer(response(b"x", "200 OK", "Content-Encoding: gzip"))
    assert "compressed" in trouble(find(valkey, wfm.url))


def test_r23_a_slow_origin_is_given_up(valkey: Valkey, wfm: RecordingBackend) -> None:
    over = threading.Event()

    def stall(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx")
        over.wait(DEADLINE_S)
        return False

    wfm.script = stall
    assert "no answer in 0.2 s" in trouble(find(valkey, wfm.url, timeout_s=0.2))
    over.set()


@pytest.mark.parametrize("octets", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_r26_a_broken_answer_is_our_trouble(valkey: Valkey, wfm: RecordingBackend, octets: bytes) -> None:
    def send(peer: Peer, seen: Seen) -> bool:
        peer.sock.sendall(octets)
        return False

    wfm.script = send
    trouble(find(valkey, wfm.url))


def test_r26_an_origin_that_is_away_is_told_of_once(valkey: Valkey, wfm: RecordingBackend) -> None:
    wfm.script = answer(response(b"", "500 Internal Server Error"))

    async def body() -> None:
        async with gateway(valkey, wfm.url) as made:
            for _ in range(3):
                trouble(await made.find("dev1"))
            wfm.script = answer(margo())
            assert isinstance(await made.find("dev1"), Client)
            assert made.event_names == ["origin.failing", "origin.answering"]

    run(body())


def test_r26_nothing_listens_there(valkey: Valkey, wfm: RecordingBackend) -> None:
    wfm.close()
    trouble(find(valkey, wfm.url))


def test_r20_the_key_of_another_client_is_not_taken(valkey: Valkey, wfm: RecordingBackend) -> None:
    with Store.connect(valkey.endpoint, "test") as store:
        store.add(prepare("default", "other", DER, "test", 0))
    found = find(valkey, wfm.url)
    assert isinstance(found, Denied)
    assert found.reason is Reason.KEY_TAKEN
    assert record(valkey) is None


def test_r22_a_removed_key_does_not_come_back(valkey: Valkey, wfm: RecordingBackend) -> None:
    with Store.connect(valkey.endpoint, "test") as store:
        store.add(prepare("default", "other", DER, "test", 0))
        store.remove("default", "other")
    found = find(valkey, wfm.url)
    assert isinstance(found, Denied)
    assert found.reason is Reason.KEY_REMOVED


def test_r22_a_removed_id_does_not_come_back(valkey: Valkey, wfm: RecordingBackend) -> None:
    with Store.connect(valkey.endpoint, "test") as store:
        store.add(prepare("default", "dev1", certificate(p256_spki()), "test", 0))
        store.remove("default", "dev1")
    found = find(valkey, wfm.url)
    assert isinstance(found, Client)
    assert found.status is Status.TOMBSTONE
    assert wfm.requests == []


@pytest.mark.parametrize("client_id", [".", ".."])
def test_r23_an_id_that_leads_elsewhere_is_not_asked_for(valkey: Valkey, wfm: RecordingBackend, client_id: str) -> None:
    assert find(valkey, wfm.url, client_id) == Missing()
    assert wfm.requests == []


def test_r2_an_id_stands_in_the_url_as_it_is(valkey: Valkey, wfm: RecordingBackend) -> None:
    assert isinstance(find(valkey, wfm.url, "a.b~c=d_e-f"), Client)
    assert wfm.requests[0].request_line.split()[1] == b"/clients/a.b~c=d_e-f/certificate"


@asynccontextmanager
async def serving(**where: Any) -> AsyncIterator[asyncio.Server]:
    """A WFM that says the same to everybody, on another kind of socket."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(margo())
        await writer.drain()
        writer.close()

    if "path" in where:
        server = await asyncio.start_unix_server(talk, **where)
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, **where)
    async with server:
        yield server


def test_r23_the_origin_may_be_a_unix_socket(valkey: Valkey, tmp_path: Path) -> None:
    async def body() -> None:
        path = str(tmp_path / "wfm.sock")
        async with serving(path=path), gateway(valkey, f"unix:{path}:") as made:
            assert isinstance(await made.find("dev1"), Client)

    run(body())


@pytest.mark.parametrize("trusted", [True, False])
def test_r23_an_origin_over_tls_must_prove_who_it_is(valkey: Valkey, tmp_path: Path, trusted: bool) -> None:
    ca, leaf = tmp_path / "ca.pem", tmp_path / "leaf.pem"
    issue(ca, leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)

    async def body() -> None:
        async with serving(ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with gateway(valkey, url, origin_ca=str(ca) if trusted else None) as made:
                found = await made.find("dev1")
                if trusted:
                    assert isinstance(found, Client)
                else:
                    assert "certificate verify failed" in trouble(found)

    run(body())


def test_a_file_that_is_no_authority_is_said_in_one_sentence(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("nothing")

    async def body() -> None:
        section = Registry(origin="https://127.0.0.1" + PATH, origin_ca=str(ca))
        with pytest.raises(ConfigError) as caught:
            Origin(section, Recorder(ScriptedLink(), "origin", SystemClock(), durable=False), SystemClock())
        assert caught.value.reason is Reason.CONFIG_UNREADABLE
        assert caught.value.message.startswith(f"registry.origin_ca: {ca} cannot be used for TLS")

    run(body())
