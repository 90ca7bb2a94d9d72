"""Which engine does what: chosen by configuration and machine, and no lane's no is ever the last word."""

from typing import Any

import pytest

from gateway._native import select
from gateway.config import Config, Engine, Upstream
from gateway.model import Algorithm, Job
from gateway.reasons import ConfigError, Reason
from gateway.signature import batch, engines, fast, selftest
from gateway.signature.batch import has_all
from gateway.signature.verify import prepare
from tests.support import engines as support
from tests.support.device import Device
from tests.support.engines import ED25519, P256, P384, needs_batch

NAMES = {P256: "p256", P384: "p384", ED25519: "ed25519"}


def job_of(algorithm: Algorithm, which: int = 0, good: bool = True) -> Job:
    device = Device(algorithm=algorithm, which=which)
    head = device.parsed(created=1_800_000_000 + which)
    candidate = select(head)[0]
    base = candidate.base(b"https", b"wfm.example.com")
    return prepare(candidate, device.certificate, algorithm, base if good else base + b"!")


class Machine:
    """A machine with these engines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, has_batch: bool, has_fast: bool) -> None:
        monkeypatch.setattr(batch, "missing", lambda: "" if has_batch else "this CPU has no AVX-512 IFMA")
        monkeypatch.setattr(batch, "natives", dict)
        monkeypatch.setattr(batch, "library", lambda: "crypto_mb 2.3.0")
        monkeypatch.setattr(fast, "missing", lambda: "" if has_fast else "the package awscrt is not installed")
        monkeypatch.setattr(fast, "AwsEngine", lambda oracle: Named("awscrt"))


class Named:
    """An engine that has a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def holds(self, job: Job) -> bool:
        raise AssertionError("not asked")

    def verify(self, batch: Any) -> list[bool]:
        raise AssertionError("not asked")


AUTO = Engine()


def described(section: Engine = AUTO) -> dict[str, str]:
    """First word of each engine, and of what takes a batch that is too small."""
    found = engines.choose(section).described()
    return {kind: " ".join(part.split()[0] for part in name.split(": ")) for kind, name in found.items()}


def test_auto_takes_the_best_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dict.fromkeys(("p256", "p384", "ed25519", "rsa"), "cryptography")
    Machine(monkeypatch, has_batch=False, has_fast=False)
    assert described() == plain
    Machine(monkeypatch, has_batch=False, has_fast=True)
    assert described() == plain | {"p256": "awscrt", "p384": "awscrt"}
    Machine(monkeypatch, has_batch=True, has_fast=False)
    assert described() == plain | dict.fromkeys(("p256", "p384", "ed25519"), "crypto_mb cryptography")
    Machine(monkeypatch, has_batch=True, has_fast=True)
    assert described() == plain | {
        "p256": "crypto_mb awscrt", "p384": "crypto_mb awscrt", "ed25519": "crypto_mb cryptography"
    }  # fmt: skip


def test_each_algorithm_has_its_own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, has_batch=True, has_fast=True)
    found = described(Engine(p256="single", p384="fast", ed25519="batch"))
    assert found == {
        "p256": "cryptography", "p384": "awscrt", "ed25519": "crypto_mb cryptography", "rsa": "cryptography"
    }  # fmt: skip


@pytest.mark.parametrize("key", ["p256", "p384", "ed25519"])
def test_an_engine_that_is_not_there_cannot_be_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    Machine(monkeypatch, has_batch=False, has_fast=True)
    with pytest.raises(ConfigError) as error:
        engines.choose(Engine(**{key: "batch"}), "gateway.toml")
    assert error.value.reason is Reason.CONFIG_INVALID
    sentence = 'got "batch", but this CPU has no AVX-512 IFMA; "auto" takes what there is'
    assert error.value.message == f"gateway.toml: engine.{key}: {sentence}"


def test_fast_wants_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, has_batch=True, has_fast=False)
    with pytest.raises(ConfigError, match=r'^engine\.p384: got "fast", but the package awscrt is not installed'):
        engines.choose(Engine(p384="fast"))


def test_nothing_is_loaded_for_single_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded() -> str:
        raise AssertionError("looked for")

    monkeypatch.setattr(batch, "missing", loaded)
    monkeypatch.setattr(fast, "missing", loaded)
    assert set(described(Engine(p256="single", p384="single", ed25519="single")).values()) == {"cryptography"}


def test_every_feature_is_wanted() -> None:
    _batch = pytest.importorskip("gateway._batch", reason="gateway._batch is built on Linux x86-64 only")
    wanted = _batch.FEATURES
    assert has_all(wanted, wanted)
    assert has_all(wanted | 1, wanted)
    bits = [1 << bit for bit in range(64) if wanted >> bit & 1]
    # BMI2, AVX-512 F, DQ, BW, VL, IFMA, VBMI2, and a system that saves their registers.
    assert len(bits) == 8
    assert not any(has_all(wanted & ~bit, wanted) for bit in bits)


def liar(answer: bool) -> dict[Algorithm, batch.Native]:
    """Native functions that always say this."""
    return dict.fromkeys(NAMES, lambda lanes: [answer] * len(lanes))


@pytest.mark.parametrize("algorithm", NAMES)
def test_a_lane_that_lies_no_is_put_right(algorithm: Algorithm) -> None:
    many = support.engines(liar(False))
    jobs = [job_of(algorithm, which, good=which % 3 != 1) for which in range(5)]
    assert many.verify(jobs) == [True, False, True, True, False]


def test_the_stub_is_what_answers() -> None:
    # Without this the test above could pass because nobody asked the lanes.
    assert support.engines(liar(True)).verify([job_of(P256, good=False)] * 3) == [True] * 3


@pytest.mark.parametrize("count", range(1, 20))
def test_small_batches_go_to_the_single_engine(count: int) -> None:
    sizes: list[int] = []

    def native(lanes: list[Any]) -> list[bool]:
        sizes.append(len(lanes))
        return [True] * len(lanes)

    many = support.engines(dict.fromkeys(NAMES, native), dict.fromkeys(NAMES, 3))
    assert many.verify([job_of(P256)] * count) == [True] * count
    full, rest = divmod(count, 8)
    assert sizes == [8] * full + ([rest] if rest >= 3 else [])


@needs_batch
def test_jobs_of_all_algorithms_keep_their_order() -> None:
    every = [*NAMES, Algorithm.RSA_V1_5_SHA256, Algorithm.RSA_PSS_SHA512]
    jobs = [job_of(every[which % 5], which % 4, good=which % 7 != 3) for which in range(60)]
    expected = [which % 7 != 3 for which in range(60)]
    assert support.engines().verify(jobs) == expected
    assert engines.choose(Config(upstream=Upstream(url="http://127.0.0.1:9")).engine).verify(jobs) == expected


def test_the_self_test_asks_every_lane() -> None:
    selftest.run(engines.choose(Engine()))
    sizes: list[int] = []

    def forgetful(lanes: list[Any]) -> list[bool]:
        sizes.append(len(lanes))
        return [False] * (len(lanes) - 1) + [True]  # the last lane accepts everything

    with pytest.raises(ConfigError, match="a changed signature of RFC 9421"):
        selftest.run(support.engines(dict.fromkeys(NAMES, forgetful)))
    assert sizes[0] == 8
