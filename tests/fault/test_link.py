"""The store connection against a real Valkey: opening, authentication, loss, and what comes back."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gateway.clock import SystemClock
from gateway.reasons import ConfigError, Reason
from gateway.registry.answers import Unavailable
from gateway.registry.link import Link
from gateway.registry.store_url import Endpoint
from tests.fault.proxy import DOWN, UP, FaultProxy
from tests.fault.rig import DEADLINE_S, LOOPS, StillClock, run, until, worker
from tests.fault.tls import issue
from tests.fault.valkey import Valkey

loops = pytest.mark.parametrize("loop", LOOPS)


@loops
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_tick_of_commands_is_answered_in_order(valkey: Valkey, loop: str, kind: str) -> None:
    endpoint = valkey.endpoint if kind == "unix" else Endpoint(host="127.0.0.1", port=valkey.port, db=3)

    async def body() -> None:
        async with worker(endpoint, SystemClock()) as made:
            futures = [made.link.submit(b"PING", b"%d" % number) for number in range(200)]
            assert await asyncio.gather(*futures) == [b"%d" % number for number in range(200)]
            assert made.event_names == ["store.connected"]
            (mine,) = [client for client in valkey.client.client_list() if client["name"] == "wfm-gateway"]
            assert mine["db"] == ("0" if kind == "unix" else "3")

    run(body(), loop)


def test_cancelled_callers_shift_nothing(valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            futures = [made.link.submit(b"PING", b"%d" % number) for number in range(100)]
            for future in futures[::3]:
                future.cancel()
            for number, future in enumerate(futures):
                if number % 3:
                    assert await future == b"%d" % number

    run(body())


def test_a_user_with_a_password_is_let_in_and_a_wrong_one_is_told_once(valkey: Valkey) -> None:
    valkey.client.acl_setuser("gate", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])

    async def body() -> None:
        async with worker(Endpoint(path=valkey.socket, user="gate", password="secret"), SystemClock()) as made:
            assert await made.link.submit(b"ACL", b"WHOAMI") == b"gate"
        wrong = Endpoint(path=valkey.socket, user="gate", password="wrong")
        async with worker(wrong, SystemClock(), connect=False) as made:
            failed = valkey.client.info("stats")["total_connections_received"]
            await until(lambda: valkey.client.info("stats")["total_connections_received"] > failed + 2)
            assert not made.link.connected
            assert made.event_names == ["store.lost"]
            assert "WRONGPASS" in made.events[0][1]
            refusal = made.link.refusal()
            assert refusal is not None
            assert refusal.reason is Reason.STORE_UNAVAILABLE

    try:
        run(body())
    finally:
        valkey.client.acl_deluser("gate")


def test_a_server_that_wants_a_password_is_not_connected_to(valkey: Valkey) -> None:
    valkey.client.config_set("requirepass", "secret")

    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock(), connect=False) as made:
            await until(lambda: made.events)
            assert "NOAUTH" in made.events[0][1]
            assert not made.link.connected
        async with worker(Endpoint(path=valkey.socket, password="secret"), SystemClock()) as made:
            assert await made.link.submit(b"PING", b"x") == b"x"

    try:
        run(body())
    finally:
        valkey.client.config_set("requirepass", "")


def test_a_user_who_is_removed_gets_no_answers_any_more(valkey: Valkey) -> None:
    valkey.client.acl_setuser("gate", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])

    async def body() -> None:
        async with worker(Endpoint(path=valkey.socket, user="gate", password="secret"), SystemClock()) as made:
            valkey.client.acl_deluser("gate")
            await until(lambda: made.event_names == ["store.connected", "store.lost"])

    run(body())


def test_a_replica_is_left_for_another_connection(valkey: Valkey) -> None:
    async def body() -> None:
        async with worker(valkey.endpoint, SystemClock()) as made:
            valkey.client.replicaof("127.0.0.1", "1")
            reply = await made.link.submit(b"SET", b"a", b"b")
            assert isinstance(reply, Unavailable)
            assert reply.reason is Reason.STORE_UNAVAILABLE
            await until(lambda: "store.lost" in made.event_names)
            valkey.client.replicaof("NO", "ONE")
            await until(lambda: made.event_names[-1] == "store.connected")
            assert await made.link.submit(b"SET", b"a", b"b") == b"OK"

    try:
        run(body())
    finally:
        valkey.client.replicaof("NO", "ONE")


def test_nothing_listens_and_then_something_does(tmp_path: Path) -> None:
    async def body() -> None:
        server = Valkey(tmp_path)
        async with worker(server.endpoint, SystemClock(), connect=False) as made:
            await until(lambda: made.events)
            reply = await made.link.submit(b"PING")
            assert isinstance(reply, Unavailable)
            assert reply.reason is Reason.STORE_UNAVAILABLE
            await asyncio.to_thread(server.start)
            try:
                await asyncio.wait_for(made.link.ready(), DEADLINE_S)
                assert made.event_names == ["store.lost", "store.connected"]
            finally:
                server.kill()
            await until(lambda: made.event_names == ["store.lost", "store.connected", "store.lost"])

    run(body())


def test_r25_pauses_between_attempts_grow_to_half_a_second() -> None:
    class Hasty(asyncio.SelectorEventLoop):
        """A loop on which every pause is short; it keeps how long they were meant to be."""

        pauses: ClassVar[list[float]] = []

        def call_later(  # type: ignore[override]
            self, delay: float, callback: Callable[..., object], *args: Any, **more: Any
        ) -> asyncio.TimerHandle:
            if delay <= 1.0:
                self.pauses.append(delay)
                delay = 0.001
            return super().call_later(delay, callback, *args, **more)

    async def body() -> list[float]:
        pauses = Hasty.pauses
        link = Link(
            Endpoint(path="/nowhere/s"), SystemClock(), asyncio.get_running_loop(), jitter=lambda: 1.0, drop_after_s=5.0
        )
        link.start()
        await until(lambda: len([pause for pause in pauses if pause > 0.01]) >= 8)
        link.close()
        return [pause for pause in pauses if pause > 0.01]

    with asyncio.Runner(loop_factory=Hasty) as runner:
        assert runner.run(body())[:8] == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5]


@loops
def test_a_reset_fails_what_is_in_flight_and_the_link_comes_back(tcp_proxy: FaultProxy, loop: str) -> None:
    async def body() -> None:
        async with worker(tcp_proxy.endpoint, SystemClock()) as made:
            tcp_proxy.stall(DOWN)
            futures = [made.link.submit(b"PING") for _ in range(10)]
            await asyncio.sleep(0)
            tcp_proxy.reset()
            replies = await asyncio.gather(*futures)
            assert {reply.reason for reply in replies} == {Reason.STORE_UNAVAILABLE}
            tcp_proxy.resume()
            await until(lambda: made.link.connected)
            assert await made.link.submit(b"PING", b"again") == b"again"
            assert made.event_names == ["store.connected", "store.lost", "store.connected"]

    run(body(), loop)


@loops
def test_a_stall_times_out_and_late_replies_reach_nobody_else(proxy: FaultProxy, loop: str) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock(), link_options={"timeout_s": 0.5}) as made:
            proxy.stall(DOWN)
            late = [made.link.submit(b"PING", b"late%d" % number) for number in range(3)]
            assert [reply.reason for reply in await asyncio.gather(*late)] == [Reason.STORE_TIMEOUT] * 3
            next_ = [made.link.submit(b"PING", b"next%d" % number) for number in range(3)]
            await asyncio.sleep(0)
            proxy.resume()
            assert await asyncio.gather(*next_) == [b"next0", b"next1", b"next2"]
            assert made.event_names == ["store.connected"]

    run(body(), loop)


@pytest.mark.parametrize("fault", ["deaf", "stalled"])
def test_a_connection_on_which_nothing_passes_is_replaced(proxy: FaultProxy, fault: str) -> None:
    async def body() -> None:
        options = {"timeout_s": 0.03, "drop_after_s": 0.15}
        async with worker(proxy.endpoint, SystemClock(), link_options=options) as made:
            proxy.deafen() if fault == "deaf" else proxy.stall(UP, DOWN)
            reply = await made.link.submit(b"PING")
            assert reply.reason is Reason.STORE_TIMEOUT
            await until(lambda: made.event_names == ["store.connected", "store.lost"])
            attempts = proxy.accepted
            await until(lambda: proxy.accepted > attempts + 1)  # attempts that get no answer end too
            proxy.resume()
            await until(lambda: made.event_names == ["store.connected", "store.lost", "store.connected"])

    run(body())


@pytest.mark.parametrize("octets", [0, 1, 5, 9, 12])
def test_a_truncated_reply_answers_nobody(proxy: FaultProxy, octets: int) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            made.directory.close()  # no polls
            await asyncio.sleep(0)
            proxy.truncate(DOWN, octets)
            first, second = await asyncio.gather(made.link.submit(b"PING", b"one"), made.link.submit(b"PING", b"two"))
            assert first == b"one" if octets >= 9 else first.reason is Reason.STORE_UNAVAILABLE
            assert second.reason is Reason.STORE_UNAVAILABLE
            await until(lambda: made.link.connected)
            assert await made.link.submit(b"PING", b"x") == b"x"

    run(body())


def test_octets_lost_on_the_way_end_the_connection(proxy: FaultProxy) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            proxy.lose(DOWN, 2)
            replies = await asyncio.gather(*[made.link.submit(b"PING", b"%d" % number) for number in range(5)])
            assert {reply.reason for reply in replies} == {Reason.STORE_ANSWER}
            await until(lambda: made.event_names == ["store.connected", "store.lost", "store.connected"])

    run(body())


def test_a_reply_out_of_turn_ends_the_connection(proxy: FaultProxy) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            proxy.inject(DOWN, b"+OK\r\n")
            await until(lambda: made.event_names == ["store.connected", "store.lost", "store.connected"])

    run(body())


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"+PONG\r\n", b"$-1\r\n", b"$16\r\n0123456789abcdef\r\n"])
def test_whoever_does_not_echo_the_greeting_is_not_the_store(answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        await reader.read()
        writer.close()

    async def body() -> None:
        events: list[tuple[str, str]] = []
        server = await asyncio.start_server(other, "127.0.0.1")
        endpoint = Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        link = Link(endpoint, SystemClock(), asyncio.get_running_loop(), report=lambda *event: events.append(event))
        link.start()
        await until(lambda: events)
        link.close()
        server.close()
        await asyncio.sleep(0.05)
        assert events == [("store.lost", "the store's first reply does not fit its question")]
        assert not link.connected

    run(body())


def test_replies_that_have_shifted_are_found_out_by_a_probe(proxy: FaultProxy) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            made.link.probe()
            assert await made.link.submit(b"PING", b"x") == b"x"
            assert made.event_names == ["store.connected"]
            proxy.stall(UP)
            made.link.probe()
            other = made.link.submit(b"PING", b"x")
            await asyncio.sleep(0)
            proxy.inject(DOWN, b"+OK\r\n")
            reply = await other
            assert reply.reason is Reason.STORE_ANSWER
            await until(lambda: "store.lost" in made.event_names)

    run(body())


def test_too_many_in_flight_are_refused_at_once(proxy: FaultProxy) -> None:
    async def body() -> None:
        options = {"limit": 50}
        async with worker(proxy.endpoint, StillClock(), link_options=options) as made:
            made.directory.close()
            proxy.stall(UP)
            futures = [made.link.submit(b"PING") for _ in range(60)]
            assert sum(future.done() for future in futures) >= 10
            assert futures[-1].result().reason is Reason.STORE_UNAVAILABLE
            proxy.resume()
            assert await futures[0] == b"PONG"
            await until(lambda: made.link.refusal() is None)
            assert await made.link.submit(b"PING") == b"PONG"

    run(body())


def test_closing_ends_everything(proxy: FaultProxy) -> None:
    async def body() -> None:
        async with worker(proxy.endpoint, SystemClock()) as made:
            proxy.stall(UP)
            future = made.link.submit(b"PING")
            made.link.close()
            assert (await future).reason is Reason.STORE_UNAVAILABLE
            await until(lambda: proxy.open == 0)
            assert (await made.link.submit(b"PING")).reason is Reason.STORE_UNAVAILABLE
            assert made.event_names == ["store.connected"]

    run(body())


def test_r27_tls_checks_the_server_and_shows_our_certificate(valkey: Valkey, tmp_path: Path) -> None:
    ca, server, device = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "client.pem"
    issue(ca, server, device)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED

    async def body() -> None:
        with FaultProxy(("127.0.0.1", valkey.port), context) as proxy:
            right = Endpoint(host="127.0.0.1", port=proxy.port, tls=True, ca=ca, client_cert=device, client_key=device)
            async with worker(right, SystemClock()) as made:
                assert await made.link.submit(b"PING", b"x") == b"x"
            for wrong in (
                Endpoint(host="127.0.0.1", port=proxy.port, tls=True, client_cert=device, client_key=device),
                Endpoint(host="localhost", port=proxy.port, tls=True, ca=ca, client_cert=device, client_key=device),
                Endpoint(host="127.0.0.1", port=proxy.port, tls=True, ca=ca),
                Endpoint(host="127.0.0.1", port=proxy.port),
            ):
                options = {"drop_after_s": 0.5}
                async with worker(wrong, SystemClock(), connect=False, link_options=options) as made:
                    await until(lambda: made.events)
                    assert made.event_names == ["store.lost"]
                    assert not made.link.connected

    run(body())


def test_tls_files_that_cannot_be_read_are_the_operators_mistake(tmp_path: Path) -> None:
    async def body() -> None:
        endpoint = Endpoint(host="127.0.0.1", tls=True, ca=tmp_path / "none.pem")
        with pytest.raises(ConfigError) as caught:
            Link(endpoint, SystemClock(), asyncio.get_running_loop())
        assert caught.value.reason is Reason.CONFIG_UNREADABLE

    run(body())
