"""A worker's change of the registry: all of it or nothing, decided anew when something changed, proven by a token (R20, R25)."""

from typing import Any

import pytest

from gateway.model import Status
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.recorder import Recorder
from gateway.registry.records import Record, encode
from gateway.registry.registration import Decision, Outcome, prepare
from tests.fault.rig import StillClock, run
from tests.support.certificates import certificate, p256_spki
from tests.unit.registry.scripted_link import ScriptedLink

WANTED = prepare("default", "dev1", certificate(p256_spki()), "test", 5)
SPKI_KEY = b"wfmgw:spki:default:" + WANTED.certificate.spki_sha256.encode()


class Bench:
    def __init__(self, durable: bool = False, only_new: bool = False) -> None:
        self.link = ScriptedLink(StillClock())
        self.told: list[Decision | Unavailable] = []
        recorder = Recorder(self.link, "origin", self.link.clock, durable)
        recorder.carry_out(WANTED, self.told.append, only_new)

    def read(self, data: bytes | None = None, owner: bytes | None = None) -> None:
        assert self.link.answer(data) == [[b"GET", b"wfmgw:client:default:dev1"]]
        assert self.link.answer(owner) == [[b"GET", SPKI_KEY]]

    def write(self, verb: bytes = b"written") -> list[bytes]:
        (command,), _ = self.link.sent[0]
        keys = int(command[2])
        token = command[3 + keys + 2 * (keys - 1)]
        assert len(token) == 16
        self.link.answer(verb + b" " + token)
        return command

    def trouble(self) -> Unavailable:
        (answer,) = self.told
        assert isinstance(answer, Unavailable)
        return answer

    def outcome(self) -> Outcome:
        (answer,) = self.told
        assert isinstance(answer, Decision)
        return answer.outcome


def on_bench(test: Any, **options: Any) -> None:
    async def body() -> None:
        test(Bench(**options))

    run(body())


def test_record_index_and_notice_are_one_write() -> None:
    def check(bench: Bench) -> None:
        bench.read()
        command = bench.write()
        assert command[0] == b"EVAL"
        assert command[3:6] == [b"wfmgw:client:default:dev1", SPKI_KEY, b"wfmgw:changes"]
        assert command[6:8] == [b"", b""]
        assert command[8].startswith(b'{"realm":"default","id":"dev1","status":"active"')
        assert command[9] == b"dev1"
        assert command[12:] == [
            *(b"realm", b"default", b"id", b"dev1", b"what", b"added", b"who", b"origin"),
            *(b"when", b"%d" % bench.link.clock.now(), b"cert", WANTED.certificate.sha256.encode()),
        ]
        assert bench.outcome() is Outcome.ADDED

    on_bench(check)


def test_r20_a_key_of_another_client_is_not_written() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, b"dev2")
        assert bench.outcome() is Outcome.KEY_TAKEN
        assert bench.link.sent == []

    on_bench(check)


def test_r22_a_key_with_a_tombstone_is_not_written() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, b"tombstone:dev2")
        assert bench.outcome() is Outcome.KEY_REMOVED

    on_bench(check)


def test_r21_a_key_that_is_being_onboarded_is_left_alone() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, b"lease:abc")
        assert bench.trouble().reason is Reason.INTERNAL_BUSY

    on_bench(check)


def test_a_client_that_is_there_stays_as_it_is() -> None:
    def check(bench: Bench) -> None:
        bench.link.answer(encode(Record(realm="default", id="dev1", status=Status.ACTIVE, since=0)))
        assert bench.outcome() is Outcome.UNCHANGED
        assert bench.link.sent == []

    on_bench(check, only_new=True)


def test_r20_what_changed_in_between_is_decided_anew() -> None:
    def check(bench: Bench) -> None:
        bench.read()
        bench.write(b"changed")
        assert bench.told == []
        bench.read(None, b"dev2")
        assert bench.outcome() is Outcome.KEY_TAKEN

    on_bench(check)


def test_it_gives_up_when_everything_changes_all_the_time() -> None:
    def check(bench: Bench) -> None:
        for _ in range(5):
            bench.read()
            bench.write(b"changed")
        assert bench.trouble().reason is Reason.STORE_ANSWER
        assert bench.link.sent == []

    on_bench(check)


@pytest.mark.parametrize("reply", [b"written", b"written 0123456789abcdef", b"OK", 1, None, []])
def test_r25_a_reply_to_another_question_proves_nothing(reply: Any) -> None:
    def check(bench: Bench) -> None:
        bench.read()
        bench.link.answer(reply)
        assert bench.trouble().reason is Reason.STORE_ANSWER

    on_bench(check)


@pytest.mark.parametrize("reply", [5, [], b"{}", b"\xff"])
def test_r25_a_record_that_is_none_ends_it(reply: Any) -> None:
    def check(bench: Bench) -> None:
        bench.link.answer(reply)
        assert bench.trouble().reason is Reason.STORE_ANSWER

    on_bench(check)


@pytest.mark.parametrize("step", range(4))
def test_r26_a_store_that_does_not_answer_ends_it(step: int) -> None:
    def check(bench: Bench) -> None:
        away = Unavailable(Reason.STORE_TIMEOUT, "late")
        if step > 0:
            bench.link.answer(None)
        if step > 1:
            bench.link.answer(None)
        if step > 2:
            bench.write()
        bench.link.time_out()
        assert bench.trouble() == away

    on_bench(check, durable=True)


@pytest.mark.parametrize(("reply", "safe"), [([1, 0], True), ([0, 0], False), ([], False), (1, False)])
def test_a_durable_change_waits_for_the_disk(reply: Any, safe: bool) -> None:
    def check(bench: Bench) -> None:
        bench.read()
        bench.write()
        assert bench.told == []
        assert bench.link.answer(reply)[0][:3] == [b"WAITAOF", b"1", b"0"]
        assert isinstance(bench.told[0], Decision) == safe

    on_bench(check, durable=True)
