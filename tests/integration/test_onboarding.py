"""Onboarding through a running gateway, from the first request to the first signed one (R18 to R22)."""

import threading
import time
import uuid
from collections.abc import Callable

import pytest

from gateway.proxy.exchange import READERS
from gateway.registry.registration import prepare
from tests.fault.valkey import Valkey
from tests.integration.backend import Peer, RecordingBackend, Seen
from tests.integration.client import Answer, RawClient
from tests.integration.conftest import MakeGateway, register
from tests.integration.harness import Device, Gateway, make_device
from tests.integration.onboarding import (
    FORMS,
    ask,
    assigning,
    assigns,
    index_of,
    opened,
    pin,
    record_of,
    request_of,
    says,
    spki_of,
)

PROXY = {"mode": "proxy", "trust": ["pinned"]}
LOCAL = {"mode": "local", "trust": ["pinned"]}


def named(device: Device, client_id: str) -> Device:
    return Device(client_id, device.key, device.certificate)


@pytest.fixture
def newcomer(valkey: Valkey) -> Device:
    """A device that nobody knows, but an operator pinned its key."""
    device = make_device("newcomer")
    pin(valkey, device)
    return device


# Mode proxy


@pytest.mark.parametrize("older", [False, True], ids=["current", "older"])
@pytest.mark.parametrize("form", FORMS)
def test_r20_the_id_of_the_wfm_is_learnt_and_works_at_once(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, form: str, older: bool
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns("client-1", older)
    raw = request_of(newcomer, form, older)
    answer = ask(gateway, raw)
    assert answer.status == 201
    assert answer.problem == {"client_id" if older else "clientId": "client-1"}
    seen = backend.requests[0]
    assert seen.body == raw.partition(b"\r\n\r\n")[2]  # the very octets that were signed
    assert seen.values(b"wfm-client-id") == []
    assert len(seen.values(b"wfm-client-cert-sha256")) == 1
    assert seen.values(b"wfm-body-verified") == [b"?1"]
    assert index_of(valkey, newcomer) == "client-1"
    assert record_of(valkey, "client-1")["status"] == "active"
    assert ask(gateway, named(newcomer, "client-1").request()).status == 201


def test_r21_the_record_is_there_before_the_answer(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    found: list[str] = []

    def script(peer: Peer, seen: Seen) -> bool:
        found.append(index_of(valkey, newcomer))
        return assigns("client-1")(peer, seen)

    backend.script = script
    assert ask(gateway, request_of(newcomer)).status == 201
    assert found[0].startswith("lease:")
    assert record_of(valkey, "client-1")["id"] == "client-1"


def test_a_known_certificate_answers_its_id_without_asking_the_wfm(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigning()
    with RawClient(gateway.address) as client:
        first = client.ask(request_of(newcomer))
        again = [client.ask(request_of(newcomer, form, older)) for form in FORMS for older in (False, True)]
    assert first.problem == {"clientId": "client-1"}
    assert [answer.status for answer in again] == [201] * 6
    assert {tuple(answer.problem.values()) for answer in again} == {("client-1",)}
    assert len(backend.requests) == 1


def test_a_device_that_an_operator_registered_is_told_its_id(
    make_gateway: MakeGateway, backend: RecordingBackend, device: Device
) -> None:
    gateway = make_gateway(onboarding={"mode": "proxy"})
    assert ask(gateway, request_of(device)).problem == {"clientId": "dev1"}
    assert backend.requests == []


@pytest.mark.parametrize("client_id", [None, "", "a/b", "a b", "x" * 129, "é", 7, ["a"], "a\n"])
def test_r20_only_an_id_of_the_grammar_teaches(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, client_id: object
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns(client_id)
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (502, "upstream.bad_answer")
    assert index_of(valkey, newcomer) == ""
    assert list(valkey.client.scan_iter("wfmgw:client:*")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"client-1",
        b'{"clientId":"a","client_id":"b"}',
        b'{"clientId":"a","clientId":"b"}',
        b'{"clientId":"a"}{}',
        b"[" * 50_000,
    ],
)
def test_r20_an_answer_that_can_be_read_in_two_ways_teaches_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, body: bytes
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = says(b"201 Created", body)
    assert ask(gateway, request_of(newcomer)).reason == "upstream.bad_answer"
    assert index_of(valkey, newcomer) == ""


@pytest.mark.parametrize("status", [b"200 OK", b"202 Accepted", b"400 Bad Request", b"403 Forbidden", b"500 Oops"])
def test_r20_another_status_is_passed_on_and_teaches_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, status: bytes
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = says(status, b'{"clientId":"client-1"}', b"X-Wfm: 1\r\n")
    answer = ask(gateway, request_of(newcomer))
    assert answer.status_line == b"HTTP/1.1 " + status
    assert answer.body == b'{"clientId":"client-1"}'
    assert answer.values(b"x-wfm") == [b"1"]
    assert index_of(valkey, newcomer) == ""
    assert record_of(valkey, "client-1") == {}


def test_r20_an_id_of_another_key_is_never_overwritten(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, device: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    before = record_of(valkey, "dev1")
    backend.script = assigns("dev1")
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (409, "onboarding.id_taken")
    assert record_of(valkey, "dev1") == before
    assert index_of(valkey, newcomer) == ""
    assert ask(gateway, device.request()).status == 201
    with opened(valkey):
        notices = [entry[1] for entry in valkey.client.xrange("wfmgw:changes")]  # type: ignore[index,union-attr]
    assert [entry[b"what"] for entry in notices if entry[b"who"] == b"onboarding"] == [b"refused: onboarding.id_taken"]


def test_r21_a_conflict_of_the_wfm_tells_the_repair(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = says(b"409 Conflict", b"{}")
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (409, "onboarding.backend_conflict")
    line = gateway.line("request.refused")
    assert "wfm-gateway clients add --id ID --cert FILE" in line["detail"]
    assert index_of(valkey, newcomer) == ""
    register(valkey, named(newcomer, "repaired"))
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "repaired"}


@pytest.mark.parametrize("how", ["silent", "closed"])
def test_r21_the_key_is_free_again_when_the_wfm_fails(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, how: str
) -> None:
    gateway = make_gateway(onboarding=PROXY, upstream={"response_timeout_s": 0.2})
    backend.script = (lambda peer, seen: True) if how == "silent" else (lambda peer, seen: False)
    answer = ask(gateway, request_of(newcomer))
    assert answer.reason == ("upstream.timeout" if how == "silent" else "upstream.unreachable")
    gateway.wait_for(lambda: index_of(valkey, newcomer) == "")
    backend.script = assigns("client-1")
    assert ask(gateway, request_of(newcomer)).status == 201


def test_r21_concurrent_duplicates_lead_to_one_client(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateways = [make_gateway(onboarding=PROXY), make_gateway(onboarding=PROXY)]
    release = threading.Event()
    numbered = assigning()

    def script(peer: Peer, seen: Seen) -> bool:
        assert release.wait(20)
        return numbered(peer, seen)

    backend.script = script
    clients = [RawClient(gateways[0].address) for _ in range(3)]
    for one in clients:
        one.send(request_of(newcomer))
    backend.wait(lambda: backend.requests)
    # Another worker finds the lease and does not wait.
    elsewhere = ask(gateways[1], request_of(newcomer))
    assert (elsewhere.status, elsewhere.reason) == (503, "internal.onboarding_busy")
    assert elsewhere.values(b"retry-after")
    release.set()
    answers = [one.answer() for one in clients]
    for one in clients:
        one.sock.close()
    assert [answer.status for answer in answers] == [201] * 3
    assert {answer.problem["clientId"] for answer in answers} == {"client-1"}
    assert len(backend.requests) == 1
    assert ask(gateways[1], request_of(newcomer)).problem == {"clientId": "client-1"}


def test_r21_a_device_that_hangs_up_is_recorded_all_the_same(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY, log={"requests": "all"})
    release = threading.Event()

    def script(peer: Peer, seen: Seen) -> bool:
        assert release.wait(20)
        return assigns("client-1")(peer, seen)

    backend.script = script
    with RawClient(gateway.address) as client:
        client.send(request_of(newcomer))
        backend.wait(lambda: backend.requests)
    release.set()
    gateway.wait_for(lambda: index_of(valkey, newcomer) == "client-1")
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 1


def test_r21_an_index_without_its_record_is_completed(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    valkey.client.set(f"wfmgw:spki:default:{spki_of(newcomer)}", "client-9")
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "client-9"}
    assert record_of(valkey, "client-9")["status"] == "active"
    assert backend.requests == []


def test_an_index_that_names_somebody_else_is_our_trouble(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, device: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    valkey.client.set(f"wfmgw:spki:default:{spki_of(newcomer)}", "dev1")
    assert ask(gateway, request_of(newcomer)).reason == "store.bad_answer"
    assert backend.requests == []


# Possession and replay


def test_the_request_must_be_signed_by_the_key_in_its_body(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    answer = ask(gateway, request_of(newcomer, signer=make_device("thief")))
    assert (answer.status, answer.reason) == (401, "signature.wrong")
    assert backend.octets == b""
    assert index_of(valkey, newcomer) == ""


REFUSED: dict[str, tuple[int, Callable[[Device], bytes]]] = {
    "onboarding.bad_body": (400, lambda device: request_of(device, body=b"{}")),
    "onboarding.bad_body#none": (400, lambda device: request_of(device, body=b"")),
    "onboarding.bad_certificate": (400, lambda device: request_of(device, body=b'{"certificate":"AAAA"}')),
    "request.body_too_large": (413, lambda device: request_of(device, body=b" " * 70_000)),
    "digest.missing": (400, lambda device: request_of(device, digests=())),
    "digest.mismatch": (400, lambda device: request_of(device).replace(b"OnboardingRequest", b"onboardingRequest")),
    "digest.not_covered": (400, lambda device: request_of(device, components=("@method", "@target-uri"))),
    "policy.not_covered": (401, lambda device: request_of(device, components=("@method", "content-digest"))),
    "policy.too_old": (401, lambda device: request_of(device, created=int(time.time()) - 10_000)),
    "signature.missing": (401, lambda device: request_of(device).replace(b"Signature", b"X-Signature")),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("onboarding", [PROXY, LOCAL, {"mode": "passthrough"}], ids=lambda value: value["mode"])
def test_r16_no_octet_of_a_refused_request_reaches_the_wfm(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device, name: str, onboarding: dict[str, object]
) -> None:
    gateway = make_gateway(onboarding=onboarding)
    status, make = REFUSED[name]
    answer = ask(gateway, make(newcomer))
    assert (answer.status, answer.reason) == (status, name.partition("#")[0])
    assert backend.octets == b""


def test_r18_margos_type_for_a_bad_certificate(make_gateway: MakeGateway, newcomer: Device) -> None:
    answer = ask(make_gateway(onboarding=PROXY), request_of(newcomer, body=b'{"certificate":"AAAA"}'))
    assert answer.problem["type"] == "https://docs.margo.org/specification/problems/invalid-certificate-format"
    assert answer.problem["title"] == "Invalid Certificate"


def test_r18_a_chunked_body_is_read_too(make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns("client-1")
    head, _, body = request_of(newcomer).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    chunks = b"".join(b"1f\r\n%b\r\n" % body[at : at + 31] for at in range(0, len(body) - len(body) % 31, 31))
    rest = body[len(body) - len(body) % 31 :]
    chunks += b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest) if rest else b"0\r\n\r\n"
    answer = ask(gateway, b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + chunks)
    assert answer.problem == {"clientId": "client-1"}
    assert backend.requests[0].body == body


def test_r5_an_onboarding_body_must_be_small_whatever_its_framing(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    head, _, _ = request_of(newcomer, body=b"x").partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    raw = b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + b"11170\r\n" + b" " * 70_000
    assert ask(gateway, raw).reason == "request.body_too_large"


def test_r5_a_body_that_trickles_is_refused(make_gateway: MakeGateway, newcomer: Device) -> None:
    gateway = make_gateway(onboarding=PROXY, limits={"body_timeout_s": 0.3})
    head, _, body = request_of(newcomer).partition(b"\r\n\r\n")
    stop = threading.Event()
    with RawClient(gateway.address) as client:
        client.send(head + b"\r\n\r\n")

        def trickle() -> None:
            for octet in body:
                if stop.wait(0.05):
                    return
                client.send(bytes([octet]))

        thread = threading.Thread(target=trickle)
        thread.start()
        answer = client.answer()
        stop.set()
        thread.join()
    assert (answer.status, answer.reason) == (408, "request.body_timeout")


def test_r5_only_so_many_strangers_are_read_at_one_time(make_gateway: MakeGateway, newcomer: Device) -> None:
    gateway = make_gateway(onboarding=PROXY)
    gateway.call(lambda: setattr(gateway.runtime.onboarding, "readers", READERS))
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (503, "internal.onboarding_busy")
    gateway.call(lambda: setattr(gateway.runtime.onboarding, "readers", 0))
    assert ask(gateway, request_of(newcomer)).status == 200  # what this WFM says
    assert gateway.runtime.onboarding.readers == 0


@pytest.mark.parametrize("onboarding", [PROXY, LOCAL], ids=lambda value: value["mode"])
def test_r13_an_onboarding_request_counts_once(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device, onboarding: dict[str, object]
) -> None:
    gateway = make_gateway(onboarding=onboarding)
    backend.script = assigns("client-1")
    raw = request_of(newcomer)
    assert ask(gateway, raw).status == 201
    again = ask(gateway, raw)
    assert (again.status, again.reason) == (401, "replay.seen")


def test_r13_two_keys_may_use_the_same_nonce(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigning()
    other = make_device("other")
    pin(valkey, other)
    assert [ask(gateway, request_of(one, nonce="same")).status for one in (newcomer, other)] == [201, 201]


def test_the_wfm_is_not_asked_for_a_compressed_answer(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns("client-1")
    assert ask(gateway, request_of(newcomer, fields=(("Accept-Encoding", "gzip"),))).status == 201
    assert backend.requests[0].values(b"accept-encoding") == []


# Trust and tombstones


def test_r19_by_default_nobody_is_trusted(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding={"mode": "proxy"})
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (403, "trust.untrusted")
    assert answer.problem["type"].endswith("certificate-not-trusted")
    assert backend.octets == b""


def test_r19_who_is_not_pinned_is_not_trusted(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    assert ask(gateway, request_of(make_device("stranger"))).reason == "trust.untrusted"
    assert backend.octets == b""


def test_r19_first_contacts_are_counted_and_capped(make_gateway: MakeGateway, backend: RecordingBackend) -> None:
    gateway = make_gateway(onboarding={"mode": "proxy", "trust": ["tofu"], "tofu_clients": 2})
    numbered = assigning()
    backend.script = says(b"500 Oops", b"")
    devices = [make_device(f"d{number}") for number in range(4)]
    assert ask(gateway, request_of(devices[0])).status == 500  # takes no place: no client came of it
    backend.script = numbered
    answers = [ask(gateway, request_of(device)) for device in devices]
    assert [answer.status for answer in answers] == [201, 201, 403, 403]
    assert answers[2].reason == "trust.tofu_full"
    assert ask(gateway, request_of(devices[1])).status == 201


@pytest.mark.parametrize("onboarding", [PROXY, LOCAL, {"mode": "passthrough"}], ids=lambda value: value["mode"])
def test_r22_a_removed_key_stays_out_until_it_is_lifted(
    make_gateway: MakeGateway,
    backend: RecordingBackend,
    valkey: Valkey,
    newcomer: Device,
    onboarding: dict[str, object],
) -> None:
    gateway = make_gateway(onboarding=onboarding)
    register(valkey, named(newcomer, "old"))
    with opened(valkey) as store:
        store.remove("default", "old")
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (403, "key.removed")
    assert backend.octets == b""


def test_r22_a_removed_id_is_not_given_to_another_key(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, device: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    with opened(valkey) as store:
        store.remove("default", "dev1")
    backend.script = assigns("dev1")
    answer = ask(gateway, request_of(newcomer))
    assert (answer.status, answer.reason) == (403, "key.removed")
    assert index_of(valkey, newcomer) == ""
    assert record_of(valkey, "dev1")["status"] == "tombstone"


# Approval


@pytest.mark.parametrize("mode", ["proxy", "local"])
def test_approval_holds_a_device_back_until_an_operator_says_so(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, mode: str
) -> None:
    from gateway.registry.operations import Action, prepare_change

    gateway = make_gateway(onboarding={"mode": mode, "trust": ["approval"]})
    backend.script = assigns("client-1")
    device = make_device("waiting")
    for _ in range(2):
        answer = ask(gateway, request_of(device))
        assert (answer.status, answer.reason) == (403, "key.pending")
        assert answer.problem["retryable"] is True
        assert int(answer.values(b"retry-after")[0]) > 0
    assert backend.octets == b""
    waiting = index_of(valkey, device)
    assert record_of(valkey, waiting)["status"] == "pending"
    with opened(valkey) as store:
        assert not store.apply(prepare_change("default", waiting, Action.APPROVE)).outcome.refused
    if mode == "proxy":
        # Approved under a name of ours; the WFM knows no such client, and shall not hear of one.
        gateway.wait_for(lambda: ask(gateway, named(device, waiting).request()).reason == "key.pending")
        assert backend.octets == b""
    answer = ask(gateway, request_of(device))
    assert answer.status == 201
    client_id = "client-1" if mode == "proxy" else waiting
    assert answer.problem == {"clientId": client_id}
    assert index_of(valkey, device) == client_id
    assert record_of(valkey, client_id)["status"] == "active"
    if mode == "proxy":
        gateway.wait_for(lambda: not record_of(valkey, waiting))
        assert "labels" not in record_of(valkey, client_id)
    assert ask(gateway, request_of(device)).problem == {"clientId": client_id}


# The other modes


@pytest.mark.parametrize("older", [False, True], ids=["current", "older"])
def test_mode_local_assigns_a_uuid(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device, older: bool
) -> None:
    gateway = make_gateway(onboarding=LOCAL)
    answer = ask(gateway, request_of(newcomer, older=older))
    assert answer.status == 201
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    ((name, client_id),) = answer.problem.items()
    assert name == ("client_id" if older else "clientId")
    assert uuid.UUID(client_id).version == 4
    assert backend.octets == b""
    assert index_of(valkey, newcomer) == client_id
    assert ask(gateway, named(newcomer, client_id).request()).status == 200


def test_mode_passthrough_checks_possession_and_records_nothing(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey
) -> None:
    gateway = make_gateway(onboarding={"mode": "passthrough"})
    backend.script = assigns("client-1")
    stranger = make_device("stranger")
    for _ in range(2):
        assert ask(gateway, request_of(stranger)).problem == {"clientId": "client-1"}
    assert len(backend.requests) == 2
    assert list(valkey.client.scan_iter("wfmgw:client:*")) == []
    assert list(valkey.client.scan_iter("wfmgw:spki:*")) == []
    assert ask(gateway, request_of(stranger, signer=make_device("thief"))).reason == "signature.wrong"


def test_mode_passthrough_may_have_rules(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding={"mode": "passthrough", "trust": ["pinned"]})
    backend.script = assigns("client-1")
    assert ask(gateway, request_of(newcomer)).status == 201
    assert ask(gateway, request_of(make_device("stranger"))).reason == "trust.untrusted"


def test_mode_off_is_404(make_gateway: MakeGateway, newcomer: Device) -> None:
    answer = ask(make_gateway(), request_of(newcomer))
    assert (answer.status, answer.reason) == (404, "request.route_off")


def test_a_prefix_before_the_api(make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device) -> None:
    gateway = make_gateway(onboarding=PROXY, policy={"base_path": "/v1alpha2/margo"})
    backend.script = assigns("client-1")
    assert ask(gateway, request_of(newcomer, base_path="/v1alpha2/margo")).status == 201


def test_a_connection_goes_on_after_onboarding(
    make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns("client-1")
    with RawClient(gateway.address) as client:
        answers: list[Answer] = [client.ask(request_of(newcomer)), client.ask(named(newcomer, "client-1").request())]
    assert [answer.status for answer in answers] == [201, 201]


def test_the_log_tells_who_was_enrolled(make_gateway: MakeGateway, backend: RecordingBackend, newcomer: Device) -> None:
    gateway: Gateway = make_gateway(onboarding=PROXY)
    backend.script = assigns("client-1")
    ask(gateway, request_of(newcomer))
    assert "client-1 in realm default, by pinned" in gateway.line("onboarding.enrolled")["detail"]


def test_r21_an_operator_is_told_that_a_key_is_being_onboarded(
    make_gateway: MakeGateway, backend: RecordingBackend, valkey: Valkey, newcomer: Device
) -> None:
    gateway = make_gateway(onboarding=PROXY)
    said: list[str] = []

    def script(peer: Peer, seen: Seen) -> bool:
        with opened(valkey) as store:
            wanted = prepare("default", "by-hand", newcomer.certificate, "test", int(time.time()))
            said.append(store.add(wanted).sentence)
        return assigns("client-1")(peer, seen)

    backend.script = script
    assert ask(gateway, request_of(newcomer)).problem == {"clientId": "client-1"}
    assert said == ["the key is being onboarded at this moment: try again in two minutes"]
    assert record_of(valkey, "by-hand") == {}
