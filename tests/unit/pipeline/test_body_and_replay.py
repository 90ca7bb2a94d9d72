"""That the body is the signed one (R10), and that a signature counts once (R13)."""

import base64
import hashlib

import msgspec
import pytest

from gateway.attempts import OPERATION_LIMIT
from gateway.model import Admitted, Refusal
from gateway.reasons import Reason
from gateway.registry.answers import Claim, ClaimAnswer, Unavailable
from gateway.steps import NeedBody, NeedClaim
from tests.support.device import STATUS_PATH, Device
from tests.support.drive import World, config_with

NOW = 1_800_000_000
BODY = b'{"state":"running"}'


def digest(name: str, body: bytes = BODY) -> str:
    made = hashlib.new(name.replace("-", ""), body).digest()
    return f"{name}=:{base64.b64encode(made).decode()}:"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (digest("sha-256"), None),
        (digest("sha-512"), None),
        (digest("sha-256") + ", " + digest("sha-512"), None),
        (digest("sha-256") + ", md5=:AAAA:", None),
        (digest("sha-256") + ", " + digest("sha-512", b"other"), Reason.DIGEST_MISMATCH),
        (digest("sha-256", b"other") + ", " + digest("sha-512"), Reason.DIGEST_MISMATCH),
        (digest("sha-256", b"other"), Reason.DIGEST_MISMATCH),
        (digest("sha-256") + ", " + digest("sha-256"), Reason.DIGEST_MALFORMED),
        ("md5=:AAAA:", Reason.DIGEST_UNKNOWN),
        ("sha-256=AAAA", Reason.DIGEST_MALFORMED),
    ],
)
def test_r10_every_known_digest_must_match(value: str, reason: Reason | None) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(digest=value)) is reason


def test_r10_a_body_needs_a_digest() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head(body=b"", components='"@method" "@target-uri"', fields=["Content-Length: 19"])
    assert world.reason(raw) is Reason.DIGEST_MISSING
    assert world.operations == 0


def test_r10_a_chunked_body_needs_a_digest_once_it_is_seen_to_be_one() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head(body=b"", components='"@method" "@target-uri"', fields=["Transfer-Encoding: chunked"])
    assert world.reason(raw, BODY) is Reason.DIGEST_MISSING
    assert world.reason(raw, b"") is None


def test_r10_a_chunked_body_must_have_its_digest_covered() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head(announce=False, components='"@method" "@target-uri"', fields=["Transfer-Encoding: chunked"])
    assert world.reason(raw) is Reason.DIGEST_NOT_COVERED


def test_r8_of_a_chunked_body_the_signature_that_covers_it_counts() -> None:
    device, world = Device(), World()
    world.know(device.client())
    options = {"announce": False, "fields": ["Transfer-Encoding: chunked"]}
    first = device.head(label="a", components='"@method" "@target-uri"', **options)
    second = device.head(label="b", **options)
    lines = [line for line in second.split(b"\r\n") if line.startswith(b"Signature")]
    both = first.removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"
    end = world.judge(both)
    assert isinstance(end, Admitted)
    assert (end.verified.candidate.label, end.body_verified) == ("b", True)


def test_r10_a_digest_without_a_body_is_checked() -> None:
    device, world = Device(), World()
    world.know(device.client())
    options = {"method": "GET", "target": "/api/v1/clients/dev-1/deployments", "body": b""}
    assert world.reason(device.head(digest=digest("sha-256", b""), **options), b"") is None
    assert world.reason(device.head(digest=digest("sha-512", b""), **options), b"") is None
    assert world.reason(device.head(digest=digest("sha-256", b"gone"), **options), b"") is Reason.DIGEST_MISMATCH


def test_r10_leniency_is_per_client_and_the_backend_is_told() -> None:
    device, world = Device(), World()
    raw = device.head(components='"@method" "@target-uri"')
    world.know(device.client())
    assert world.reason(raw) is Reason.DIGEST_NOT_COVERED
    world.know(device.client(require_covered_digest=False))
    end = world.judge(raw)
    assert isinstance(end, Admitted)
    assert end.body_verified is False
    # Also a lenient client's digest must match.
    assert world.reason(raw, b"another body") is Reason.DIGEST_MISMATCH


def test_r10_a_strict_client_stays_strict_under_a_lenient_policy() -> None:
    device, world = Device(), World(config_with(require_covered_digest=False))
    raw = device.head(components='"@method" "@target-uri"')
    world.know(device.client(require_covered_digest=True))
    assert world.reason(raw) is Reason.DIGEST_NOT_COVERED
    world.know(device.client())
    assert world.reason(raw) is None


def test_r5_the_body_limit_holds_before_the_key_is_looked_up() -> None:
    device, world = Device(), World(config_with(body_limit_bytes=10))
    assert world.reason(device.head()) is Reason.REQUEST_BODY_SIZE
    assert len(world.steps) == 1


def test_only_the_hashes_that_are_announced_are_asked_for() -> None:
    device, world = Device(), World()
    world.know(device.client())
    world.reason(device.head(digest=digest("sha-512")))
    (need,) = [step for step in world.steps if isinstance(step, NeedBody)]
    assert (need.sha256, need.sha512) == (False, True)


def test_r13_the_second_copy_is_refused() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head()
    assert world.reason(raw) is None
    assert world.reason(raw) is Reason.REPLAY_SEEN


@pytest.mark.parametrize(("mode", "method", "claimed"), [
    ("off", "POST", False),
    ("unsafe", "POST", True),
    ("unsafe", "GET", False),
    ("unsafe", "HEAD", False),
    ("all", "GET", True),
])  # fmt: skip
def test_r13_which_methods_are_claimed(mode: str, method: str, claimed: bool) -> None:
    device, world = Device(), World(config_with(replay=mode))
    world.know(device.client())
    body = BODY if method == "POST" else b""
    target = STATUS_PATH if method == "POST" else "/api/v1/clients/dev-1/deployments"
    raw = device.head(method=method, target=target, body=body)
    assert world.reason(raw, body) is None
    assert world.reason(raw, body) is (Reason.REPLAY_SEEN if claimed else None)


def test_r13_a_nonce_is_claimed_whatever_else_changes() -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(params=';nonce="n1"')) is None
    assert world.reason(device.head(params=';nonce="n1"', created=NOW - 1)) is Reason.REPLAY_SEEN
    assert world.reason(device.head(params=';nonce="n2"')) is None


def test_r13_claims_of_two_clients_or_realms_never_meet() -> None:
    claimed: set[bytes] = set()
    pairs = (("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a"))
    for realm, client_id in pairs:
        device, world = Device(client_id), World(config_with(realm=realm))
        world.know(msgspec.structs.replace(device.client(), realm=realm))
        target = f"/api/v1/clients/{client_id}/deployments/d/status"
        assert world.reason(device.head(target=target, params=';nonce="n"')) is None
        claimed |= world.claimed
    assert len(claimed) == len(pairs)
    assert {len(key) for key in claimed} == {len(b"wfmgw:seen:") + 16}


def test_r13_a_second_signature_of_the_same_client_cannot_be_replayed_alone() -> None:
    device, world = Device(), World()
    world.know(device.client())
    first, second = device.head(label="a"), device.head(label="b", params=";x=1")
    lines = [line for line in second.split(b"\r\n") if line.startswith(b"Signature")]
    both = first.removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"
    assert world.reason(both) is None
    assert world.reason(second) is Reason.REPLAY_SEEN
    assert world.reason(first) is Reason.REPLAY_SEEN


def test_r13_a_signature_that_was_not_tried_cannot_be_replayed_alone() -> None:
    # R5 leaves room for four; who signed five times, all of them good, must not be believed five times.
    device, world = Device(), World()
    world.know(device.client())
    heads = [device.head(label=f"l{number}", params=f";x={number}") for number in range(5)]
    lines = [line for raw in heads[1:] for line in raw.split(b"\r\n") if line.startswith(b"Signature")]
    whole = heads[0].removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"
    assert world.reason(whole) is None
    assert world.operations == OPERATION_LIMIT
    assert {world.reason(raw) for raw in heads} == {Reason.REPLAY_SEEN}


def test_r13_the_stripped_copy_first_stops_the_whole_one() -> None:
    device, world = Device(), World()
    world.know(device.client())
    first, second = device.head(label="a"), device.head(label="b", params=";x=1")
    lines = [line for line in second.split(b"\r\n") if line.startswith(b"Signature")]
    both = first.removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"
    assert world.reason(second) is None
    assert world.reason(both) is Reason.REPLAY_SEEN


def test_r13_a_claim_is_kept_for_the_window_and_twice_the_skew() -> None:
    device, world = Device(), World(config_with(max_age_s=100, max_window_s=200, clock_skew_s=7))
    world.know(device.client())
    world.reason(device.head())
    (need,) = [step for step in world.steps if isinstance(step, NeedClaim)]
    assert need.ttl_ms == 214_000


class Expiring(World):
    """A replay store whose claims end when they should."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[bytes, float] = {}

    def claim(self, need: NeedClaim) -> ClaimAnswer:
        """Claim all keys or none."""
        now = self.clock.now()
        if any(self.ends.get(key, 0.0) > now for key in need.keys):
            return Claim.SEEN
        self.ends.update(dict.fromkeys(need.keys, now + need.ttl_ms / 1000))
        return Claim.CLAIMED


def test_r13_a_copy_whose_body_takes_a_second_does_not_outlive_the_claim() -> None:
    device, world = Device(), Expiring()
    world.know(device.client())
    raw = device.head(created=NOW + 30)
    assert world.reason(raw) is None
    world.clock.advance(360.0 - 0.5)
    world.body_took_s = 1.0
    assert world.reason(raw) is Reason.POLICY_TOO_OLD


def test_r13_two_signatures_with_one_nonce_are_not_each_others_replay() -> None:
    device, world = Device(), World()
    world.know(device.client())
    first = device.head(label="a", params=';nonce="n"')
    second = device.head(label="b", params=';nonce="n";x=1')
    lines = [line for line in second.split(b"\r\n") if line.startswith(b"Signature")]
    both = first.removesuffix(b"\r\n") + b"\r\n".join(lines) + b"\r\n\r\n"
    assert world.reason(both) is None
    (need,) = [step for step in world.steps if isinstance(step, NeedClaim)]
    assert len(need.verified) == 2
    assert len(need.keys) == 1
    assert world.reason(first) is world.reason(second) is Reason.REPLAY_SEEN


def test_r13_nothing_is_claimed_for_a_refused_request() -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(), b"tampered") is Reason.DIGEST_MISMATCH
    assert world.reason(device.head(signature=b"\1" * 64)) is Reason.SIGNATURE_WRONG
    assert world.claimed == set()


def test_r13_a_store_that_cannot_claim_refuses_retryably() -> None:
    device, world = Device(), World()
    world.know(device.client())
    for reason in (Reason.STORE_FULL, Reason.STORE_UNAVAILABLE, Reason.STORE_TIMEOUT, Reason.STORE_ANSWER):
        world.claim_failure = Unavailable(reason, "x")
        end = world.judge(device.head())
        assert isinstance(end, Refusal)
        assert end.reason is reason
        assert (end.row.status, end.row.retryable) == (503, True)


def test_r13_signatures_of_before_a_memory_loss_are_refused_or_counted() -> None:
    device = Device()
    refusing, accepting = World(), World(config_with(lost_memory="accept"))
    for world in (refusing, accepting):
        world.know(device.client())
        world.epoch_s = NOW + 0.5
    assert refusing.reason(device.head()) is Reason.STORE_LOST_MEMORY
    assert refusing.reason(device.head(created=NOW + 1)) is None
    end = accepting.judge(device.head())
    assert isinstance(end, Admitted)
    assert end.notes == ("accepted although the replay window was lost",)


def test_r13_another_valid_signature_of_the_same_bytes_is_a_replay() -> None:
    device, world = Device(), World()
    world.know(device.client())
    raw = device.head()
    assert world.reason(raw) is None
    # ECDSA: signing again gives other octets for the same base; so does replacing s by n - s.
    assert device.head() != raw
    assert world.reason(device.head()) is Reason.REPLAY_SEEN
