"""When a signature counts, for which client, on which route (R1, R2, R3, R12, R14, R16)."""

import msgspec
import pytest

from gateway.config import Route
from gateway.model import Admitted, Composed, Refusal, Status
from gateway.reasons import Reason
from gateway.registry.answers import Unavailable
from gateway.steps import NeedKey
from tests.support.device import STATUS_PATH, Device
from tests.support.drive import PEER, World, config_with

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("created", "reason"),
    [
        (NOW, None),
        (NOW - 330, None),
        (NOW - 331, Reason.POLICY_TOO_OLD),
        (NOW + 30, None),
        (NOW + 31, Reason.POLICY_FUTURE),
        (NOW * 1000, Reason.POLICY_FUTURE),
        (0, Reason.POLICY_TOO_OLD),
        (None, Reason.POLICY_NO_CREATED),
    ],
)
def test_r12_created_must_be_in_the_window(created: int | None, reason: Reason | None) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(created=created)) is reason


@pytest.mark.parametrize(("expires", "reason"), [(NOW, None), (NOW - 1, Reason.POLICY_EXPIRED), (NOW + 9, None)])
def test_r12_skew_does_not_extend_expires(expires: int, reason: Reason | None) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(created=NOW - 100, params=f";expires={expires}")) is reason


@pytest.mark.parametrize("replay", ["unsafe", "off"])
def test_r12_a_slow_body_has_freshness_checked_again(replay: str) -> None:
    device, world = Device(), World(config_with(replay=replay))
    world.know(device.client())
    world.body_took_s = 20.0
    assert world.reason(device.head(created=NOW - 300)) is None
    assert world.reason(device.head(created=NOW - 300)) is Reason.POLICY_TOO_OLD


@pytest.mark.parametrize(
    ("changes", "reason"), [({"not_after": NOW}, Reason.KEY_EXPIRED), ({"retire_after": NOW}, Reason.KEY_RETIRED)]
)
def test_r12_a_certificate_that_ends_while_a_slow_body_arrives_does_not_count(
    changes: dict[str, int], reason: Reason
) -> None:
    device, world = Device(), World()
    certificate = msgspec.structs.replace(device.certificate, **changes)
    world.know(msgspec.structs.replace(device.client(), certificates=(certificate,)))
    world.body_took_s = 0.5
    assert world.reason(device.head()) is None
    world.clock.time = NOW
    world.body_took_s = 1.5
    assert world.reason(device.head(params=";x=1")) is reason


def test_r12_a_slow_body_has_revocation_checked_again() -> None:
    device = Device()
    for after, reason in (
        (device.client(Status.REVOKED), Reason.KEY_REVOKED),
        (msgspec.structs.replace(device.client(), certificates=()), Reason.KEY_REVOKED),
        (device.client(), None),
    ):
        world = World()
        world.body_took_s = 1.5
        world.know(device.client())
        engine = world.engine.verify

        def verify_and_change(
            batch: object, after: object = after, world: World = world, engine: object = engine
        ) -> object:
            world.clients["dev-1"] = after  # type: ignore[assignment]
            return engine(batch)  # type: ignore[operator]

        world.engine.verify = verify_and_change  # type: ignore[method-assign, assignment]
        assert world.reason(device.head()) is reason


def test_r12_a_fast_body_does_not_ask_again() -> None:
    device, world = Device(), World()
    world.know(device.client())
    world.body_took_s = 0.5
    assert world.reason(device.head()) is None
    assert sum(isinstance(step, NeedKey) for step in world.steps) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.PENDING, Reason.KEY_PENDING),
        (Status.REVOKED, Reason.KEY_REVOKED),
        (Status.RETIRED, Reason.KEY_RETIRED),
        (Status.TOMBSTONE, Reason.KEY_REMOVED),
    ],
)
def test_only_active_clients_pass(status: Status, reason: Reason) -> None:
    device, world = Device(), World()
    world.know(device.client(status))
    assert world.reason(device.head()) is reason
    assert world.operations == 0


def test_unknown_clients_and_an_unreachable_registry_are_told_apart() -> None:
    device, world = Device(), World()
    assert world.reason(device.head()) is Reason.KEY_UNKNOWN
    world.clients["dev-1"] = Unavailable(Reason.STORE_TIMEOUT, "100 ms")
    assert world.judge(device.head()) == Refusal(Reason.STORE_TIMEOUT, "100 ms", "dev-1")


@pytest.mark.parametrize(
    ("not_before", "not_after", "retire_after", "reason"),
    [
        (NOW + 1, NOW + 9, None, Reason.KEY_NOT_YET_VALID),
        (NOW, NOW, None, None),
        (0, NOW - 1, None, Reason.KEY_EXPIRED),
        (0, NOW + 9, NOW - 1, Reason.KEY_RETIRED),
        (0, NOW + 9, NOW, None),
    ],
)
def test_certificates_count_while_they_are_valid(
    not_before: int, not_after: int, retire_after: int | None, reason: Reason | None
) -> None:
    device, world = Device(), World()
    certificate = msgspec.structs.replace(
        device.certificate, not_before=not_before, not_after=not_after, retire_after=retire_after
    )
    world.know(msgspec.structs.replace(device.client(), certificates=(certificate,)))
    assert world.reason(device.head()) is reason


def test_a_client_without_certificates_is_refused() -> None:
    device, world = Device(), World()
    world.know(msgspec.structs.replace(device.client(), certificates=()))
    assert world.reason(device.head()) is Reason.KEY_RETIRED


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/api/v1/clients/dev-1/../dev-2/deployments", Reason.REQUEST_PATH),
        ("/api/v1/clients/dev%2D1/deployments/d/status", Reason.REQUEST_CLIENT_ID),
        ("/api/v1/clients/dev-1/nothing", Reason.REQUEST_NO_ROUTE),
        ("/", Reason.REQUEST_NO_ROUTE),
        ("/api/v1/onboarding", Reason.REQUEST_ROUTE_OFF),
    ],
)
def test_r1_r2_what_routing_refuses_needs_no_key(target: str, reason: Reason) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(target=target)) is reason
    assert len(world.steps) == 1


def test_a_wrong_method_is_told_what_is_allowed() -> None:
    device, world = Device(), World()
    end = world.judge(device.head(method="DELETE"))
    assert isinstance(end, Refusal)
    assert end.reason is Reason.REQUEST_METHOD
    assert end.allow == ("POST",)


def test_r3_the_realm_of_the_route_goes_with_the_key() -> None:
    device, world = Device(), World(config_with(realm="plant-7"))
    step = world.pipeline.begin(device.parsed(), PEER)
    assert isinstance(step, NeedKey)
    assert (step.realm, step.client_id) == ("plant-7", "dev-1")


@pytest.mark.parametrize("name", ["Wfm-Client-Id", "wfm_client_id", "WFM-SIGNATURE", "Wfm.Body.Verified"])
def test_r14_reserved_names_are_refused_on_every_route(name: str) -> None:
    device, world = Device(), World()
    world.know(device.client())
    assert world.reason(device.head(fields=[f"{name}: x"])) is Reason.REQUEST_RESERVED
    open_route = f"GET /api/v1/onboarding/certificate HTTP/1.1\r\nHost: a\r\n{name}: x\r\n\r\n"
    assert world.reason(open_route.encode()) is Reason.REQUEST_RESERVED


def test_r16_an_open_route_is_composed_anew() -> None:
    raw = (
        b"GET /api/v1/onboarding/certificate?x=1 HTTP/1.1\r\nHost: evil\r\nAccept: */*\r\nCookie: a=b\r\n"
        b'If-None-Match: "1"\r\nContent-Length: 5\r\nAuthorization: Bearer x\r\nX-Real-IP: 1.1.1.1\r\n\r\n'
    )
    end = World().judge(raw)
    assert isinstance(end, Composed)
    assert (end.method, end.target) == (b"GET", b"/api/v1/onboarding/certificate?x=1")
    assert end.authority == b"wfm.example.com"
    assert end.fields == (("Accept", "*/*"), ("If-None-Match", '"1"'))


def test_r11_generic_takes_the_keyid_as_client_id_only_where_declared() -> None:
    device = Device("dev-1")
    device.certificate = msgspec.structs.replace(device.certificate, spki_sha256="dev-1")
    routes = (Route(path="/things/**", client_id="keyid"),)
    world = World(config_with(profile="generic", keyid="client-id", routes=routes))
    world.know(device.client())
    raw = device.head(target="/things/one")
    end = world.judge(raw)
    assert isinstance(end, Admitted)
    assert end.verified.client.client_id == "dev-1"
    assert end.notes == ()
    device.certificate = msgspec.structs.replace(device.certificate, spki_sha256="not an id")
    assert world.reason(device.head(target="/things/one")) is Reason.REQUEST_CLIENT_ID


def test_r7_a_request_without_any_forwarded_host_is_refused_where_the_proxy_is_the_source() -> None:
    device = Device()
    world = World(config_with(listen={"public_url": None, "trusted_proxies": (PEER.address + "/32",)}))
    world.know(device.client())
    assert world.reason(device.head()) is Reason.REQUEST_HOST
    told = ["X-Forwarded-Host: wfm.example.com", "X-Forwarded-Proto: https"]
    assert world.reason(device.head(fields=told)) is None
    assert world.reason(device.head(fields=[*told, "X-Forwarded-Host: other"])) is Reason.REQUEST_PROXY_FIELDS


def test_an_off_route_is_closed() -> None:
    routes = (Route(path="/things/**", access="off"),)
    world = World(config_with(profile="generic", routes=routes))
    assert world.reason(Device().head(target="/things/one")) is Reason.REQUEST_ROUTE_OFF
    assert world.reason(Device().head(target=STATUS_PATH)) is Reason.REQUEST_NO_ROUTE
