"""The gateway in this process, in a thread of its own, on a port of its own; and a device that it knows."""

import asyncio
import itertools
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import uvloop

from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.config.load import settle
from gateway.model import Algorithm
from gateway.observe.log import Log
from gateway.proxy.runtime import Runtime
from gateway.proxy.worker import drain, take_last
from gateway.registry.store_url import RemoteStore
from gateway.signing import render
from gateway.signing.keys import PrivateKey
from gateway.signing.sign import Request, SignOptions, sign

PUBLIC = "https://wfm.example.com"
DEADLINE_S = 20.0
_serial = itertools.count()


class Device(msgspec.Struct, frozen=True):
    """A client id with its key; signs as the Margo reference device does."""

    client_id: str
    key: PrivateKey
    certificate: bytes
    """PEM."""

    def path(self, rest: str = "capabilities") -> str:
        """A path of this client."""
        return f"/api/v1/clients/{self.client_id}/{rest}"

    def request(
        self,
        method: str = "POST",
        rest: str = "capabilities",
        body: bytes = b"{}",
        fields: tuple[tuple[str, str], ...] = (),
        authority: str = "wfm.example.com",
        prefix: str = "",
        chunks: list[bytes] | None = None,
        **options: Any,
    ) -> bytes:
        """One signed request as octets; each one another, so that none is a replay by chance.

        :param prefix: in front of the path
        :param chunks: the body, to be sent in chunks
        """
        if chunks is not None:
            options |= {"rest": rest, "fields": fields, "authority": authority, "prefix": prefix}
            return self.chunked(chunks, **options)
        options.setdefault("created", int(time.time()))
        options.setdefault("nonce", f"n{next(_serial)}")
        if method in ("GET", "HEAD"):
            body = b""
        wanted = Request(method, f"https://{authority}{prefix}{self.path(rest)}", body, fields)
        return render.raw(sign(wanted, self.key, SignOptions(**options)))

    def chunked(self, pieces: list[bytes], trailers: bytes = b"", **options: Any) -> bytes:
        """A signed POST whose body goes out in chunks."""
        whole = self.request(body=b"".join(pieces), **options)
        head, _, _ = whole.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + chunks + b"0\r\n" + trailers + b"\r\n"


class Gateway:
    """A worker's runtime behind a real socket."""

    def __init__(
        self, config: Config, store: RemoteStore, clock: Clock | None = None, recording: RemoteStore | None = None
    ) -> None:
        self._config = config
        self._store = store
        self._recording = recording
        self._clock = clock or SystemClock()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        descriptor, self._log_path = tempfile.mkstemp(prefix="gateway-log-")
        self._log_descriptor = descriptor
        self.port = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        os.close(self._log_descriptor)
        os.unlink(self._log_path)

    def stop(self) -> None:
        """Drain and end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def begin_drain(self) -> None:
        """Begin to drain, without waiting for its end."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call something on the gateway's loop and return its result."""

        async def on_loop() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(DEADLINE_S)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log lines of one event so far."""
        text = Path(self._log_path).read_text()
        return [line for line in map(json.loads, text.splitlines()) if line["event"] == event]

    def line(self, event: str) -> dict[str, Any]:
        """The first log line of an event, waited for."""
        return self.wait_for(lambda: self.lines(event))[0]

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds, and return what it said."""
        deadline = time.monotonic() + DEADLINE_S
        while not (said := condition()):
            assert time.monotonic() < deadline, "did not come true"
            time.sleep(0.005)
        return said

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    def _listen(self) -> socket.socket:
        bind = self._config.listen.bind
        if bind.path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(bind.path)
            listener.listen()
            return listener
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        return listener

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        log = Log(self._log_descriptor, self._config.log.level, self._clock)
        self.runtime = Runtime(self._config, self._store, log, self._clock, recording=self._recording)
        await self.runtime.start(5.0)
        while self.runtime.link.connected and self.runtime.directory.changes.epoch is None:
            await asyncio.sleep(0.005)
        listener = self._listen()
        await self.runtime.door.open(listener)
        self._ready.set()
        await self._stop.wait()
        await take_last(self.runtime)
        await drain(self.runtime, self._config.limits.drain_s, asyncio.Event())
        await self.runtime.stop()
        log.close()


def make_config(upstream_url: str, base: Path, *, fresh: bool = False, **sections: Any) -> Config:
    """A configuration as a file would give it; `policy={"replay": "all"}` is `[policy]`.

    :param fresh: without a public_url of ours
    """
    listen = {} if fresh else {"public_url": PUBLIC}
    document: dict[str, Any] = {"listen": listen, "upstream": {"url": upstream_url}}
    for name, values in sections.items():
        if isinstance(values, dict):
            document.setdefault(name, {}).update(values)
        else:
            document[name] = values
    return settle(document, base, "")


def make_device(client_id: str, algorithm: Algorithm = Algorithm.ECDSA_P256_SHA256) -> Device:
    """A device with a self-signed certificate."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.x509.oid import NameOID

    from gateway.demo.pki import make_key

    key = make_key(algorithm)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, client_id)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return Device(client_id, key, certificate.public_bytes(serialization.Encoding.PEM))
