"""The admin API on a real socket over a real store: every route, who is let in, and what is told of refusals."""

import asyncio
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.listener import Listener
from gateway.config import Config, load
from gateway.registry import keys
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from tests.fault.valkey import Valkey
from tests.integration.served import Served, free_port, run, wait_for
from tests.support import certificates as made

TOKEN = "correct-horse-battery-staple"
DAY_S = 86400
CONFIG = """
[listen]
address = "127.0.0.1:{listen}"
public_url = "http://127.0.0.1:{listen}"
workers = 1
[upstream]
url = "http://127.0.0.1:9"
[store]
url = "{store}"
[admin]
address = "127.0.0.1:{port}"
token_file = "token"
"""


class Answer:
    def __init__(self, got: http.client.HTTPResponse) -> None:
        self.status = got.status
        self.headers = got.headers
        self.body = got.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        assert self.json["type"] == "urn:wfm-gateway:problem:" + self.json["reason"]
        return str(self.json["reason"])


class Place:
    """A configuration with ports of its own, and a caller of its admin API."""

    def __init__(self, folder: Path, store: str) -> None:
        self.port = free_port()
        self.token = folder / "token"
        self.token.touch(0o600)
        self.token.write_text(TOKEN + "\n")
        self.file = folder / "gateway.toml"
        self.file.write_text(CONFIG.format(listen=free_port(), store=store, port=self.port))

    @property
    def config(self) -> Config:
        return load(self.file)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        host: str | None = None,
        token: str | None = TOKEN,
        media: str = "application/json",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        fields = {"Host": host or f"127.0.0.1:{self.port}"}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            fields["Content-Type"] = media
        try:
            connection.request(method, path, data, fields)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def add(self, client_id: str, der: bytes | None = None, **more: Any) -> Answer:
        return self.ask("POST", "/v1/clients", {"id": client_id, "certificate": pem(der or fresh()), **more})


def fresh(name: str = "device", days: float = 365) -> bytes:
    return made.certificate(made.p256_spki(), name=name, not_after=int(time.time() + days * DAY_S))


def pem(der: bytes) -> str:
    import ssl

    return ssl.DER_cert_to_PEM_cert(der)


@pytest.fixture
def api(tmp_path: Path, valkey: Valkey) -> Iterator[Place]:
    """The listener alone, without workers."""
    place = Place(tmp_path, f"unix://{valkey.socket}")
    with serving(place):
        yield place


class serving:
    def __init__(self, place: Place) -> None:
        self._config = place.config
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            listener = await Listener.start(self._config, None)
        finally:
            self._ready.set()
        await self._stop.wait()
        await listener.close()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_a_client_from_its_addition_to_its_tombstone(api: Place, valkey: Valkey) -> None:
    first, second = fresh(), fresh()
    added = api.add("dev1", first)
    assert (added.status, added.json["outcome"]) == (201, "added")
    assert api.add("dev1", first).json["outcome"] == "unchanged"
    rotated = api.ask("POST", "/v1/clients/dev1/rotate", {"certificate": pem(second), "overlap_s": 60})
    assert (rotated.status, rotated.json["outcome"]) == (200, "rotated")
    shown = api.ask("GET", "/v1/clients/dev1").json
    assert (shown["status"], len(shown["certificates"])) == ("active", 2)
    assert shown["certificates"][1]["pem"].startswith("-----BEGIN CERTIFICATE-----")
    revoked = api.ask("POST", "/v1/clients/dev1/revoke", {"reason": "stolen"})
    assert (revoked.status, revoked.json["outcome"]) == (200, "revoked")
    assert api.ask("GET", "/v1/clients/dev1").json["reason"] == "stolen"
    removed = api.ask("DELETE", "/v1/clients/dev1?reason=gone")
    assert (removed.status, removed.json["outcome"]) == (200, "removed")
    assert api.ask("GET", "/v1/clients/dev1").json["status"] == "tombstone"
    # R22: neither the id nor a key of it comes back by itself.
    assert (api.add("dev1").status, api.add("dev1").reason) == (409, "registry.id_removed")
    assert api.add("dev2", first).reason == "registry.key_removed"
    assert api.add("dev1", first, lift=True).json["outcome"] == "lifted"
    history = api.ask("GET", "/v1/clients/dev1/history").json
    assert history["complete"]
    assert [change["what"] for change in history["changes"]] == ["added", "rotated", "revoked", "removed", "lifted"]
    assert {change["who"] for change in history["changes"]} == {"admin-api"}
    assert history["changes"][2]["why"] == "stolen"
    assert valkey.client.xlen(keys.CHANGES) == 5


def test_pending_clients_are_approved_and_clients_retire(api: Place, valkey: Valkey) -> None:
    import msgspec

    from gateway.model import Status

    waiting = prepare("default", "dev1", fresh(), "test", int(time.time()))
    with Store.connect(valkey.endpoint, "test") as store:
        store.add(msgspec.structs.replace(waiting, status=Status.PENDING))
    assert [client["id"] for client in api.ask("GET", "/v1/clients?status=pending").json["clients"]] == ["dev1"]
    assert api.ask("POST", "/v1/clients/dev1/approve").json["outcome"] == "approved"
    assert api.ask("POST", "/v1/clients/dev1/approve").json["outcome"] == "unchanged"
    assert api.ask("POST", "/v1/clients/dev1/retire").json["outcome"] == "retired"
    refused = api.ask("POST", "/v1/clients/dev1/approve")
    assert (refused.status, refused.reason) == (409, "registry.not_pending")
    assert api.ask("GET", "/v1/clients?status=pending").json["clients"] == []


def listed(api: Place, path: str, member: str, query: str = "") -> tuple[list[dict[str, Any]], int]:
    """All entries of a list, and on how many pages they came."""
    seen: list[dict[str, Any]] = []
    cursor = ""
    for pages in range(1, 100):
        page = api.ask("GET", f"{path}?limit=3{query}{cursor}").json
        seen += page[member]
        if page["next"] is None:
            return seen, pages
        cursor = f"&cursor={page['next']}"
    raise AssertionError("the list does not end")


def test_lists_come_in_pages(api: Place) -> None:
    names = [f"dev{number:02}" for number in range(30)]
    for name in names:
        assert api.add(name).status == 201
    api.ask("DELETE", "/v1/clients/dev03")
    assert api.ask("POST", "/v1/clients?realm=plant-2", {"id": "dev01", "certificate": pem(fresh())}).status == 201
    found, pages = listed(api, "/v1/clients", "clients")
    assert sorted(client["id"] for client in found) == names
    assert pages > 3
    active, _ = listed(api, "/v1/clients", "clients", "&status=active")
    assert {client["id"] for client in active} == set(names) - {"dev03"}
    removed, _ = listed(api, "/v1/clients", "clients", "&status=tombstone")
    assert [client["id"] for client in removed] == ["dev03"]


def test_a_page_reads_a_page_of_the_store_and_no_more(api: Place, valkey: Valkey) -> None:
    """However many clients there are: what is asked of the store is counted by the store."""
    for number in range(60):
        api.add(f"dev{number}")
    valkey.client.config_resetstat()
    page = api.ask("GET", "/v1/clients?limit=5").json
    assert 5 <= len(page["clients"]) < 20
    calls = valkey.client.info("commandstats")
    assert calls["cmdstat_scan"]["calls"] < 12
    assert sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "mget")) < 12


def test_several_clients_are_changed_at_once(api: Place) -> None:
    for name in ("dev1", "dev2", "dev3"):
        api.add(name)
    body = {"ids": ["dev1", "nobody", "dev2", "dev1"], "reason": "stolen"}
    answer = api.ask("POST", "/v1/bulk/revoke", body)
    assert (answer.status, answer.json["refused"]) == (200, 1)
    told = [(one["id"], one["outcome"], one["refused"]) for one in answer.json["results"]]
    assert told == [("dev1", "revoked", False), ("nobody", "unknown_client", True), ("dev2", "revoked", False)]
    assert api.ask("GET", "/v1/clients/dev2").json["reason"] == "stolen"
    assert api.ask("GET", "/v1/clients/dev3").json["status"] == "active"
    # All ids are checked before the first client is changed.
    assert api.ask("POST", "/v1/bulk/remove", {"ids": ["dev3", "a:b"]}).reason == "admin.bad_request"
    assert api.ask("GET", "/v1/clients/dev3").json["status"] == "active"
    for action, outcome in (("retire", "retired"), ("approve", "not_pending"), ("remove", "removed")):
        done = api.ask("POST", f"/v1/bulk/{action}", {"ids": ["dev3"]})
        assert done.json["results"][0]["outcome"] == outcome


def test_pins_are_added_listed_and_removed(api: Place, valkey: Valkey) -> None:
    der = fresh()
    sha256 = hashlib.sha256(der).hexdigest()
    colons = ":".join(sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    first = api.ask("POST", "/v1/pins", {"certificate": pem(der), "note": "press 4"})
    assert (first.status, first.json) == (201, {"sha256": sha256, "realm": "default", "outcome": "pinned"})
    assert (again := api.ask("POST", "/v1/pins", {"sha256": colons})).status == 200
    assert again.json["outcome"] == "unchanged"
    for number in range(10):
        assert api.ask("POST", "/v1/pins", {"sha256": f"{number:064x}"}).status == 201
    api.ask("POST", "/v1/pins?realm=plant-2", {"sha256": "f" * 64})
    pins, _ = listed(api, "/v1/pins", "pins")
    assert len(pins) == 11
    (pin,) = (pin for pin in pins if pin["sha256"] == sha256)
    assert (pin["note"], pin["who"], pin["realm"]) == ("press 4", "admin-api", "default")
    assert api.ask("DELETE", f"/v1/pins/{sha256}").json["outcome"] == "unpinned"
    gone = api.ask("DELETE", f"/v1/pins/{sha256}")
    assert (gone.status, gone.reason) == (404, "registry.unknown_pin")
    assert not valkey.client.exists(keys.pin_key("default", sha256))


def test_a_client_is_added_with_tenant_and_labels(api: Place) -> None:
    assert api.add("dev1", tenant="plant-7", labels={"line": "3"}).status == 201
    shown = api.ask("GET", "/v1/clients/dev1").json
    assert (shown["tenant"], shown["labels"]) == ("plant-7", {"line": "3"})
    assert api.add("dev2", tenant="plant 7").reason == "admin.bad_request"
    assert api.add("dev2", labels={"a b": "3"}).reason == "admin.bad_request"


def test_certificates_near_their_end_are_listed_and_counted(api: Place) -> None:
    for name, days in (("far", 365), ("near", 20), ("over", -1), ("gone", 20)):
        api.add(name, fresh(days=days))
    api.ask("POST", "/v1/clients/gone/revoke")
    near = api.ask("GET", f"/v1/clients?expiring_s={30 * DAY_S}").json["clients"]
    assert {client["id"] for client in near} == {"near", "over"}


def test_realms_are_apart(api: Place) -> None:
    der = fresh()
    assert api.ask("POST", "/v1/clients?realm=plant-2", {"id": "dev1", "certificate": pem(der)}).status == 201
    assert api.ask("GET", "/v1/clients/dev1").status == 404
    assert api.ask("GET", "/v1/clients/dev1?realm=plant-2").json["realm"] == "plant-2"
    assert api.ask("GET", "/v1/clients?realm=a:b").reason == "admin.bad_request"


EVERY = [
    ("GET", "/v1/clients"),
    ("POST", "/v1/clients"),
    ("GET", "/v1/clients/dev1"),
    ("DELETE", "/v1/clients/dev1"),
    ("GET", "/v1/clients/dev1/history"),
    ("POST", "/v1/clients/dev1/revoke"),
    ("POST", "/v1/clients/dev1/approve"),
    ("POST", "/v1/clients/dev1/retire"),
    ("POST", "/v1/clients/dev1/rotate"),
    ("POST", "/v1/bulk/revoke"),
    ("POST", "/v1/bulk/approve"),
    ("POST", "/v1/bulk/retire"),
    ("POST", "/v1/bulk/remove"),
    ("GET", "/v1/pins"),
    ("POST", "/v1/pins"),
    ("DELETE", "/v1/pins/00"),
    ("GET", "/absent"),
]


def test_r29_nobody_without_the_token(api: Place) -> None:
    api.add("dev1")
    for method, path in EVERY:
        for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x"):
            answer = api.ask(method, path, token=token)
            assert (answer.status, answer.reason) == (401, "admin.unauthorized"), (method, path, token)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert api.ask("GET", "/v1/clients/dev1").json["status"] == "active"
    for path in ("/livez", "/openapi.json"):
        assert api.ask("GET", path, token=None).status == 200


def test_r29_nobody_under_a_foreign_name(api: Place) -> None:
    for method, path in [*EVERY, ("GET", "/livez"), ("GET", "/openapi.json")]:
        for host in ("evil.example", f"evil.example:{api.port}", "localhost.evil.example", "127.0.0.1.evil.example"):
            answer = api.ask(method, path, host=host)
            assert (answer.status, answer.reason) == (421, "admin.foreign_host"), (method, path, host)
    for host in ("localhost", f"LOCALHOST:{api.port}", "127.0.0.1"):
        assert api.ask("GET", "/livez", host=host).status == 200


def test_the_token_may_change_while_it_runs(api: Place) -> None:
    new = "another-long-enough-token"
    other = api.token.with_name("new")
    other.touch(0o600)
    other.write_text(new)
    other.replace(api.token)
    assert api.ask("GET", "/v1/clients").status == 401
    assert api.ask("GET", "/v1/clients", token=new).status == 200
    api.token.chmod(0o644)
    assert api.ask("GET", "/v1/clients", token=new).status == 401
    api.token.chmod(0o600)
    assert api.ask("GET", "/v1/clients", token=new).status == 200
    api.token.write_text("")
    assert api.ask("GET", "/v1/clients", token="").status == 401
    api.token.unlink()
    assert api.ask("GET", "/v1/clients", token=new).status == 401


def test_r29_what_a_device_wrote_is_escaped(api: Place) -> None:
    nasty = '<script>"\\\n\x1b[2J\x9b\u202e'
    assert api.add("dev1", fresh(nasty)).status == 201
    answer = api.ask("GET", "/v1/clients/dev1")
    assert answer.body.isascii()
    assert not any(octet < 0x20 for octet in answer.body)
    assert "\n\x1b[2J\x9b\u202e" in answer.json["certificates"][0]["subject"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("GET", "/v1/clients/nobody", None, 404, "registry.unknown_client"),
        ("GET", "/v1/clients/nobody/history", None, 404, "registry.unknown_client"),
        ("POST", "/v1/clients/nobody/revoke", None, 404, "registry.unknown_client"),
        ("DELETE", "/v1/clients/nobody", None, 404, "registry.unknown_client"),
        ("GET", "/v1/clients/a%2Fb", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients/a%00b", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?limit=0", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?limit=1001", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?limit=1&limit=2", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?status=well", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?expiring_s=30d", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?force=1", None, 400, "admin.bad_request"),
        ("POST", "/v1/clients", None, 415, "admin.unsupported_media_type"),
        ("POST", "/v1/clients", b"{", 400, "admin.bad_request"),
        ("POST", "/v1/clients", b"\xff", 400, "admin.bad_request"),
        ("POST", "/v1/clients", {"id": "a"}, 400, "admin.bad_request"),
        ("POST", "/v1/clients", {"id": "a:b", "certificate": "x"}, 400, "admin.bad_request"),
        ("POST", "/v1/clients", {"id": "a", "certificate": "x"}, 400, "admin.bad_request"),
        ("POST", "/v1/clients", {"id": "a", "certificate": "\ud800"}, 400, "admin.bad_request"),
        ("POST", "/v1/clients", {"id": "a", "certificate": "x", "force": 1}, 400, "admin.bad_request"),
        ("GET", "/v1/clients?after=dev1", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?cursor=dev1", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?cursor=9.0", None, 400, "admin.bad_request"),
        ("GET", "/v1/clients?cursor=0.99999999999999999999", None, 400, "admin.bad_request"),
        ("GET", "/v1/pins?realm=a:b", None, 400, "admin.bad_request"),
        ("POST", "/v1/bulk/revoke", {"ids": []}, 400, "admin.bad_request"),
        ("POST", "/v1/bulk/revoke", {"ids": ["a"] * 1001}, 400, "admin.bad_request"),
        ("POST", "/v1/bulk/revoke", None, 415, "admin.unsupported_media_type"),
        ("POST", "/v1/pins", {}, 400, "admin.bad_request"),
        ("POST", "/v1/pins", {"sha256": "00", "certificate": "x"}, 400, "admin.bad_request"),
        ("POST", "/v1/pins", {"sha256": "00"}, 400, "admin.bad_request"),
        ("DELETE", "/v1/pins/00", None, 400, "admin.bad_request"),
        ("POST", "/v1/clients", b" " * 300_000, 413, "request.body_too_large"),
        ("POST", "/v1/clients/a/revoke", {"reason": "x" * 501}, 400, "admin.bad_request"),
        ("POST", "/v1/clients/a/rotate", {"certificate": "x", "overlap_s": -1}, 400, "admin.bad_request"),
        ("PUT", "/v1/clients", None, 405, "request.method_not_allowed"),
        ("HEAD", "/absent", None, 404, ""),
        ("GET", "/absent", None, 404, "request.no_route"),
    ],
)
def test_refusals(api: Place, method: str, path: str, body: Any, status: int, reason: str) -> None:
    answer = api.ask(method, path, body)
    assert answer.status == status
    assert method == "HEAD" or answer.reason == reason


def test_a_body_that_is_not_json_by_its_own_word(api: Place) -> None:
    answer = api.ask("POST", "/v1/clients/a/revoke", {"reason": "x"}, media="text/plain")
    assert (answer.status, answer.reason) == (415, "admin.unsupported_media_type")


def test_r26_trouble_of_the_store_is_503_and_passes(tmp_path: Path) -> None:
    with Valkey(tmp_path) as valkey:
        place = Place(tmp_path, f"unix://{valkey.socket}")
        with serving(place):
            assert place.add("dev1").status == 201
            valkey.kill()
            for method, path in (("GET", "/v1/clients/dev1"), ("GET", "/v1/clients"), ("POST", "/v1/clients/a/revoke")):
                answer = place.ask(method, path)
                assert (answer.status, answer.reason) == (503, "store.unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            valkey.start()
            assert place.ask("GET", "/v1/clients/dev1").json["status"] == "active"


def test_as_an_operator_runs_it(tmp_path: Path) -> None:
    place = Place(tmp_path, "embedded:store")
    with Served("-c", str(place.file)) as served:
        assert served.wait_said(f"admin API     127.0.0.1:{place.port}")
        assert place.add("dev1").status == 201
        shown = run("clients", "history", "dev1", "--json", "-c", str(place.file))
        assert json.loads(shown.stdout)["changes"][0]["who"] == "admin-api"
        done = run("clients", "revoke", "dev1", "-c", str(place.file))
        assert done.returncode == 0, done.stderr
        assert place.ask("GET", "/v1/clients/dev1").json["status"] == "revoked"
        (worker,) = served.workers()
        import os
        import signal

        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: served.workers() not in ([], [worker]))
        assert place.ask("GET", "/livez").status == 200
        assert served.stop() == 0


def test_a_token_is_needed_to_start(tmp_path: Path) -> None:
    place = Place(tmp_path, "embedded:store")
    place.token.write_text("short")
    done = run("serve", "-c", str(place.file))
    assert (done.returncode, "admin.token_file" in done.stderr) == (2, True), done.stderr
