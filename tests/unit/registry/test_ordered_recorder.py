"""A worker's change of a cluster's registry: key by key, in an order that is safe to break off anywhere (R20, R21)."""

from typing import Any

import msgspec
import pytest

from gateway.model import Status
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.registry.ordered_recorder import OrderedRecorder
from gateway.registry.records import Record, encode
from gateway.registry.registration import Decision, OtherKey, Outcome, prepare
from tests.fault.rig import StillClock, run
from tests.support.certificates import certificate, p256_spki
from tests.unit.registry.scripted_link import ScriptedLink

CLIENT_KEY = b"wfmgw:client:default:dev1"
OLD = prepare("default", "dev1", certificate(p256_spki()), "test", 5)
WANTED = msgspec.structs.replace(
    prepare("default", "dev1", certificate(p256_spki()), "test", 5), other_key=OtherKey.REPLACE
)
SPKI_KEY = b"wfmgw:spki:default:" + WANTED.certificate.spki_sha256.encode()
OLD_KEY = b"wfmgw:spki:default:" + OLD.certificate.spki_sha256.encode()
RECORD = Record(realm="default", id="dev1", status=Status.ACTIVE, since=0, certs=(OLD.certificate,))


class Bench:
    def __init__(self) -> None:
        self.link = ScriptedLink(StillClock())
        self.told: list[Decision | Unavailable] = []
        OrderedRecorder(self.link, "device", self.link.clock, False).carry_out(WANTED, self.told.append)

    def read(self, data: bytes | None, *owners: bytes | None) -> None:
        assert self.link.answer(data) == [[b"GET", CLIENT_KEY]]
        for owner in owners:
            ((verb, _),) = self.link.answer(owner)
            assert verb == b"GET"

    def set(self, verb: bytes = b"written") -> tuple[bytes, bytes, bytes]:
        """Answer one compare-and-set: key, what it held, what it shall hold."""
        ((name, _, number, key, before, after, token),), _ = self.link.sent[0]
        assert (name, number) == (b"EVAL", b"1")
        self.link.answer(verb + b" " + token)
        return key, before, after

    def tell(self, reply: Any = b"1-0") -> list[bytes]:
        (notice,) = self.link.answer(reply)
        assert notice[:2] == [b"XADD", b"wfmgw:changes"]
        return notice

    def trouble(self) -> Unavailable:
        (answer,) = self.told
        assert isinstance(answer, Unavailable)
        return answer

    def outcome(self) -> Outcome:
        (answer,) = self.told
        assert isinstance(answer, Decision)
        return answer.outcome


def on_bench(test: Any) -> None:
    async def body() -> None:
        test(Bench())

    run(body())


def test_r21_index_record_notice_burial_in_this_order() -> None:
    def check(bench: Bench) -> None:
        bench.read(encode(RECORD), None, b"dev1")
        assert bench.set() == (SPKI_KEY, b"", b"dev1")
        key, before, after = bench.set()
        assert (key, before) == (CLIENT_KEY, encode(RECORD))
        assert WANTED.certificate.sha256.encode() in after
        assert bench.told == []
        assert b"replaced" in bench.tell()
        assert bench.outcome() is Outcome.REPLACED
        assert bench.set() == (OLD_KEY, b"dev1", b"tombstone:dev1")
        assert bench.link.sent == []

    on_bench(check)


def test_r20_a_key_that_somebody_else_got_meanwhile_is_never_taken() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, None)
        bench.set(b"changed")
        bench.read(None, b"dev2")
        assert bench.outcome() is Outcome.KEY_TAKEN

    on_bench(check)


def test_r21_a_key_is_taken_back_from_a_client_that_did_not_come_about() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, None)
        assert bench.set() == (SPKI_KEY, b"", b"dev1")
        bench.set(b"changed")  # somebody else made a record under that id
        removed = msgspec.structs.replace(RECORD, status=Status.TOMBSTONE)
        bench.read(encode(removed), b"dev1", b"tombstone:dev1")
        assert bench.outcome() is Outcome.ID_REMOVED
        ((_, _, _, key, before, after, _),), _ = bench.link.sent[0]
        assert (key, before, after) == (SPKI_KEY, b"dev1", b"")

    on_bench(check)


def test_r21_a_key_stays_with_a_client_that_has_it_after_all() -> None:
    def check(bench: Bench) -> None:
        bench.read(None, None)
        bench.set()
        bench.set(b"changed")
        there = msgspec.structs.replace(RECORD, certs=(WANTED.certificate,))
        bench.read(encode(there), b"dev1")
        assert bench.outcome() is Outcome.UNCHANGED
        # R25: whoever wrote it may have come to an end before the notice.
        assert b"unchanged" in bench.tell()
        assert bench.link.sent == []

    on_bench(check)


@pytest.mark.parametrize("reply", [b"written", b"written 0123456789abcdef", b"OK", 1, None, []])
def test_r25_a_reply_to_another_question_proves_nothing(reply: Any) -> None:
    def check(bench: Bench) -> None:
        bench.read(None, None)
        bench.set()
        bench.link.answer(reply)
        assert bench.trouble().reason is Reason.STORE_ANSWER
        assert bench.link.sent == []

    on_bench(check)


@pytest.mark.parametrize("reply", [b"OK", None, 1])
def test_r25_a_change_counts_only_when_it_is_told(reply: Any) -> None:
    def check(bench: Bench) -> None:
        bench.read(None, None)
        bench.set()
        bench.set()
        bench.tell(reply)
        assert bench.trouble().reason is Reason.STORE_ANSWER

    on_bench(check)
