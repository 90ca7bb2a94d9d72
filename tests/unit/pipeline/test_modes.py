"""What the mode of a route makes of requests that do not verify (R16)."""

import msgspec
import pytest

from gateway._native import Head
from gateway.config import Onboarding, Policy, Route
from gateway.config.policy import MARGO_ROUTES
from gateway.config.rate import Rate
from gateway.limiting.limiter import limiter_of
from gateway.model import Admitted, Composed, Refusal, Status, Unverified
from gateway.observing import Observing, pipeline_for
from gateway.policy import Rules
from gateway.profiles import Access, margo, routes
from gateway.reasons import Reason
from gateway.registry.answers import Denied, Missing, Unavailable
from gateway.signature.algorithms import AlgorithmChoice
from gateway.steps import NeedBody
from tests.support.device import STATUS_PATH, Device
from tests.support.drive import World, config_with

NOW = 1_800_000_000
UNSIGNED = f"POST {STATUS_PATH} HTTP/1.1\r\nHost: wfm.example.com\r\nContent-Length: 19\r\n\r\n".encode()


def observing(**policy: object) -> tuple[Device, World]:
    device, world = Device(), World(config_with(**{"mode": "observe", **policy}))
    world.know(device.client())
    return device, world


def reported(world: World, head: Head | bytes, body: bytes = b'{"state":"running"}') -> Reason:
    """The reason that an observed request was forwarded with."""
    end = world.judge(head, body)
    assert isinstance(end, Unverified)
    assert end.mode == "observe"
    assert end.refusal is not None
    return end.refusal.reason


def test_r16_observe_lets_what_verifies_pass_as_ever() -> None:
    device, world = observing()
    assert isinstance(world.judge(device.head()), Admitted)


def test_r16_observe_reports_and_forwards_each_stage_of_refusal() -> None:
    device, world = observing()
    assert reported(world, UNSIGNED) is Reason.SIGNATURE_MISSING
    assert reported(world, device.head(created=NOW - 1000)) is Reason.POLICY_TOO_OLD
    assert reported(world, Device(which=1).head()) is Reason.SIGNATURE_WRONG
    assert reported(world, device.head(), b"another") is Reason.DIGEST_MISMATCH
    again = device.head(params=';nonce="n"')
    assert isinstance(world.judge(again), Admitted)
    assert reported(world, again) is Reason.REPLAY_SEEN
    world.know(msgspec.structs.replace(device.client(), status=Status.REVOKED))
    assert reported(world, device.head()) is Reason.KEY_REVOKED


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Missing(), Reason.KEY_UNKNOWN),
        (Unavailable(Reason.STORE_UNAVAILABLE, "gone"), Reason.STORE_UNAVAILABLE),
        (Unavailable(Reason.UPSTREAM_ORIGIN, "gone"), Reason.UPSTREAM_ORIGIN),
        (Denied(Reason.TRUST_UNTRUSTED, "never"), Reason.TRUST_UNTRUSTED),
    ],
)
def test_r16_observe_goes_on_without_the_registry(found: Missing | Unavailable | Denied, reason: Reason) -> None:
    device, world = observing()
    world.clients.clear()
    world.clients[device.client().client_id] = found
    assert reported(world, device.head()) is reason


def test_r16_observe_goes_on_without_the_replay_store_and_after_it_lost_its_memory() -> None:
    device, world = observing()
    world.epoch_s = NOW + 1
    assert reported(world, device.head()) is Reason.STORE_LOST_MEMORY
    world.claim_failure = Unavailable(Reason.STORE_TIMEOUT, "late")
    assert reported(world, device.head()) is Reason.STORE_TIMEOUT


def test_r16_observe_reads_the_body_of_what_is_refused_early_and_looks_at_nothing_in_it() -> None:
    _, world = observing(body_limit_bytes=100)
    assert reported(world, UNSIGNED) is Reason.SIGNATURE_MISSING
    need = world.steps[-2]
    assert isinstance(need, NeedBody)
    assert (need.limit_bytes, need.sha256, need.sha512, need.verified) == (100, False, False, ())


def test_r16_observe_refuses_what_two_parsers_may_read_differently_and_what_is_too_large() -> None:
    device, world = observing(body_limit_bytes=10)
    host = "Host: wfm.example.com\r\n"
    cases = {
        f"GET /api/v1/clients/a/../b/deployments HTTP/1.1\r\n{host}\r\n": Reason.REQUEST_PATH,
        f"GET /api/v1/clients/dev1/deployments HTTP/1.1\r\n{host}wfm_client_id: x\r\n\r\n": Reason.REQUEST_RESERVED,
        f"GET /nowhere HTTP/1.1\r\n{host}\r\n": Reason.REQUEST_NO_ROUTE,
        f"GET {STATUS_PATH} HTTP/1.1\r\n{host}\r\n": Reason.REQUEST_METHOD,
        f"GET /api/v1/clients/a*b/deployments HTTP/1.1\r\n{host}\r\n": Reason.REQUEST_CLIENT_ID,
    }
    for raw, reason in cases.items():
        assert world.reason(raw.encode()) is reason
    assert world.reason(device.head()) is Reason.REQUEST_BODY_SIZE


def test_r16_observe_is_not_for_open_routes_nor_for_onboarding() -> None:
    _, world = observing()
    host = "Host: wfm.example.com\r\n"
    ends = [
        world.judge(f"{line} HTTP/1.1\r\n{host}\r\n".encode())
        for line in ("GET /api/v1/onboarding/certificate", "POST /api/v1/onboarding")
    ]
    assert isinstance(ends[0], Composed)
    assert isinstance(ends[1], Refusal)


def test_r16_one_route_may_have_a_mode_of_its_own() -> None:
    device, world = observing(mode="enforce", modes={"status": "observe", "capabilities": "off"})
    assert reported(world, UNSIGNED) is Reason.SIGNATURE_MISSING
    others = {"deployments": Reason.SIGNATURE_MISSING, "capabilities": Reason.REQUEST_ROUTE_OFF}
    for rest, reason in others.items():
        method = "GET" if rest == "deployments" else "PUT"
        raw = f"{method} /api/v1/clients/dev1/{rest} HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"
        assert world.reason(raw.encode()) is reason
    assert isinstance(world.judge(device.head()), Admitted)


def test_r16_passthrough_looks_at_nothing() -> None:
    device, world = observing(mode="enforce", modes={"status": "passthrough"})
    end = world.judge(device.head())
    assert isinstance(end, Unverified)
    assert (end.mode, end.refusal, world.operations, world.claimed) == ("passthrough", None, 0, set())


def test_r16_a_share_of_the_clients_is_enforced_and_it_is_always_the_same_ones() -> None:
    _, world = observing(enforce_share=30)
    ends = {}
    for number in range(300):
        raw = f"GET /api/v1/clients/c{number}/deployments HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n".encode()
        ends[number] = world.reason(raw)
        assert world.reason(raw) is ends[number]
    enforced = [number for number, reason in ends.items() if reason is Reason.SIGNATURE_MISSING]
    assert 60 < len(enforced) < 120
    _, wider = observing(enforce_share=60)
    for number in enforced:
        raw = f"GET /api/v1/clients/c{number}/deployments HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n".encode()
        assert wider.reason(raw) is Reason.SIGNATURE_MISSING, "whoever is enforced stays so when the share grows"


def test_r16_a_share_of_the_requests_is_looked_at() -> None:
    device, world = Device(), World()
    draws = [0.0, 0.2, 0.25, 0.9]
    config = config_with(mode="observe", observe_share=25)
    world.pipeline = Observing(config, world.clock, draw=lambda: draws.pop(0))
    world.know(device.client())
    ends = [world.judge(device.head(params=f';nonce="{index}"')) for index in range(4)]
    assert [type(end) for end in ends] == [Admitted, Admitted, Unverified, Unverified]
    assert world.operations == 2


def test_r16_bad_signatures_that_are_only_observed_shut_nobody_out_and_other_limits_hold() -> None:
    device, world = Device(), World()
    rate = Rate(bad_signatures_per_address="1/s", bad_signatures_burst=1, per_client="1/s", per_client_burst=1)
    config = msgspec.structs.replace(config_with(mode="observe"), rate=rate)
    world.pipeline = pipeline_for(config, world.clock, limiter=limiter_of(rate))
    world.know(device.client())
    stranger = Device(which=1)
    for _ in range(3):
        assert reported(world, stranger.head()) is Reason.SIGNATURE_WRONG
    assert isinstance(world.judge(device.head(params=';nonce="1"')), Admitted)
    assert world.reason(device.head(params=';nonce="2"')) is Reason.LIMIT_CLIENT
    enforced = msgspec.structs.replace(config_with(mode="observe", enforce_share=100), rate=rate)
    world.pipeline = pipeline_for(enforced, world.clock, limiter=limiter_of(rate))
    ends = [world.reason(stranger.head()) for _ in range(3)]
    assert ends == [Reason.SIGNATURE_WRONG, Reason.LIMIT_SIGNATURES, Reason.LIMIT_SIGNATURES]


def test_r16_where_the_keyid_is_the_client_id_its_absence_is_reported() -> None:
    route = Route(path="/things/**", client_id="keyid", mode="observe")
    world = World(config_with(profile="generic", keyid="client-id", routes=(route,)))
    raw = b"GET /things/a HTTP/1.1\r\nHost: wfm.example.com\r\n\r\n"
    assert reported(world, raw) is Reason.SIGNATURE_MISSING


def test_r16_nothing_unverified_is_made_for_a_route_that_enforces() -> None:
    policy = Policy()
    rules = Rules(policy, AlgorithmChoice(policy.algorithms, policy.rsa_algorithms))
    _, world = observing()
    end = world.judge(UNSIGNED)
    assert isinstance(end, Unverified)
    with pytest.raises(TypeError):
        rules.let_go(end.head, end.external, end.route, "enforce", "", end.refusal)
    with pytest.raises(TypeError):
        rules.let_go(end.head, end.external, end.route, "observe", "", None)


def test_r16_no_mode_reaches_a_route_that_is_not_signed_by_a_device_we_know() -> None:
    sections = (
        config_with(mode="observe"),
        config_with(
            mode="observe", profile="generic", routes=(Route(path="/a", access="open"), Route(path="/{clientId}"))
        ),
    )
    for config in sections:
        config = msgspec.structs.replace(config, onboarding=Onboarding(rotation=True))
        modes = {(row.access, row.mode) for row in routes(config) if row.access is not Access.OFF}
        assert (Access.SIGNED, "observe") in modes
        assert {mode for access, mode in modes if access is not Access.SIGNED} == {"enforce"}


def test_the_names_that_a_mode_may_be_given_are_the_signed_routes() -> None:
    signed = [row.name for row in margo.ROUTES if row.access is Access.SIGNED]
    assert list(MARGO_ROUTES) == signed
