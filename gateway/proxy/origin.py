"""Asks the WFM for the certificate of a client that the store does not know, and records what it says (R23)."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from yarl import URL

from gateway.clock import Clock
from gateway.config import Registry
from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Denied, Missing, OriginAnswer, Unavailable
from gateway.registry.cache import ClientKey
from gateway.registry.origin import (
    ANSWER_LIMIT_BYTES,
    Memory,
    Ration,
    may_be_asked,
    read_answer,
    trouble,
    what_follows,
)
from gateway.registry.recorder import Recorder
from gateway.registry.registration import Decision, Registration
from gateway.registry.revocations import Revocations

Report = Callable[[str, str], None]
Answered = Callable[[OriginAnswer], None]

_FIELDS: Final = {
    "Accept": "application/json, application/x-pem-file, application/pkix-cert",
    "Accept-Encoding": "identity",
    "User-Agent": "wfm-gateway",
}
_MISSING: Final = Missing()


class Origin:
    """The origin as one worker asks it: one GET per client and no more, whatever the answer.

    :param config: must name an origin
    :param workers: how many share the ration
    :param revocations: what the authorities' lists say now
    :param report: told `origin.failing` once when look-ups begin to fail, and `origin.answering` once when they
        succeed again
    :raises ConfigError: config.unreadable for `registry.origin_ca`
    """

    def __init__(
        self,
        config: Registry,
        recorder: Recorder,
        clock: Clock,
        *,
        workers: int = 1,
        revocations: Revocations | None = None,
        report: Report | None = None,
    ) -> None:
        url = config.origin_url
        assert url is not None
        self._url = url
        self._timeout_s = config.origin_timeout_s
        self._recorder = recorder
        self._clock = clock
        self._revocations = revocations or Revocations()
        self._report = report
        self._failing = False
        at_once = max(1, config.origin_concurrency // workers)
        self.ration = Ration(config.origin_per_second / workers, at_once, clock.monotonic())
        self.memory = Memory(config.origin_negative_s)
        self.asked = 0
        """Look-ups that were sent."""
        self._tasks: set[asyncio.Task[None]] = set()
        options: dict[str, Any] = {"limit": at_once, "keepalive_timeout": 4.0}
        connector: aiohttp.BaseConnector
        if url.socket:
            connector = aiohttp.UnixConnector(url.socket, **options)
        else:
            connector = aiohttp.TCPConnector(ssl=_tls(config.origin_ca) if url.tls else True, **options)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=_FIELDS,
            timeout=aiohttp.ClientTimeout(ceil_threshold=1e9),
        )

    def ask(self, realm: str, client_id: str, answered: Answered) -> None:
        """See `gateway.registry.directory.Origin`; the caller asks for one client once at a time."""
        key = (realm, client_id)
        known = self.memory.get(key, self._clock.monotonic())
        if known is not None:
            answered(known)
            return
        if not may_be_asked(client_id):
            answered(_MISSING)
            return
        refusal = self.ration.take(self._clock.monotonic())
        if refusal is not None:
            answered(refusal)
            return
        task = asyncio.get_running_loop().create_task(self._look_up(key, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _look_up(self, key: ClientKey, answered: Answered) -> None:
        answer: OriginAnswer = trouble("the gateway stops")
        try:
            answer = await self._answer(key)
        except Exception as error:  # whatever it was, somebody waits
            answer = trouble(repr(error))
        finally:
            self.ration.done()
            if isinstance(answer, Missing | Denied):
                self.memory.put(key, answer, self._clock.monotonic())
            answered(answer)

    async def _answer(self, key: ClientKey) -> OriginAnswer:
        found = await self._fetch(key)
        if isinstance(found, Unavailable):
            self._state(found)
            return found
        read = read_answer(*found, *key, self._clock.now(), self._revocations)
        self._state(read if isinstance(read, Unavailable) else None)
        if not isinstance(read, Registration):
            return read
        decision = await self._record(read)
        return decision if isinstance(decision, Unavailable) else what_follows(decision)

    async def _fetch(self, key: ClientKey) -> tuple[int, bytes] | Unavailable:
        self.asked += 1
        url = URL(self._url.of(*key), encoded=True)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.get(url, allow_redirects=False) as response,
            ):
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    return trouble("its answer is compressed")
                return response.status, await _read(response.content)
        except TimeoutError:
            return trouble(f"no answer in {self._timeout_s:g} s")
        except _TooLong:
            return trouble(f"its answer is longer than {ANSWER_LIMIT_BYTES} octets")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return trouble(str(error) or type(error).__name__)

    async def _record(self, registration: Registration) -> Decision | Unavailable:
        future: asyncio.Future[Decision | Unavailable] = asyncio.get_running_loop().create_future()

        def done(decision: Decision | Unavailable) -> None:
            if not future.done():
                future.set_result(decision)

        self._recorder.carry_out(registration, done, only_new=True)
        return await future

    def _state(self, why: Unavailable | None) -> None:
        """Say once that it fails, and once that it is over."""
        if (why is not None) == self._failing:
            return
        self._failing = why is not None
        if self._report is not None:
            if why is not None:
                self._report("origin.failing", why.detail)
            else:
                self._report("origin.answering", "unknown ids can be looked up again")


class _TooLong(Exception):
    """More octets than an answer may have."""


async def _read(content: aiohttp.StreamReader) -> bytes:
    pieces: list[bytes] = []
    length = 0
    while piece := await content.readany():
        length += len(piece)
        if length > ANSWER_LIMIT_BYTES:
            raise _TooLong
        pieces.append(piece)
    return b"".join(pieces)


def _tls(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        message = f"registry.origin_ca: {ca} cannot be used for TLS ({error})"
        raise ConfigError(Reason.CONFIG_UNREADABLE, message) from error
