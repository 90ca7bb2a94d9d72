"""What the interoperability tests share: a served gateway that knows one device of each kind of key."""

import http.client
import json
from pathlib import Path
from typing import Any

import msgspec

from gateway.demo.pki import Identity
from tests.integration.backend import RecordingBackend, Seen

PUBLIC = "https://wfm.example.com"


class Answer(msgspec.Struct, frozen=True):
    """What came back: the status, and the gateway's reason if it refused."""

    status: int
    reason: str


class Site(msgspec.Struct, frozen=True):
    """A gateway at 127.0.0.1:`port` in front of `backend`. `identities` by kind of key; key files lie in `folder`."""

    port: int
    backend: RecordingBackend
    identities: dict[str, Identity]
    folder: Path

    def key_file(self, kind: str) -> Path:
        """PKCS #8 in PEM."""
        return self.folder / f"{kind}.key"

    def url(self, kind: str, rest: str) -> str:
        """A URL of that device, as the device sees it."""
        return f"{PUBLIC}/api/v1/clients/{kind}/{rest}"

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send in plain HTTP what was signed for `url`, as a load balancer hands it on."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, url.removeprefix(PUBLIC), body or None, {"Host": "wfm.example.com", **headers})
            response = connection.getresponse()
            return answer(response.status, response.read().decode())
        finally:
            connection.close()

    def last_seen(self) -> Seen:
        """The request that the backend received last."""
        return self.backend.requests[-1]


def answer(status: int, body: str) -> Answer:
    """Read a refusal's reason, if the body is one."""
    document: Any = json.loads(body) if body.startswith("{") else {}
    return Answer(status, document.get("reason", ""))
