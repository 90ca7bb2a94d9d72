"""One simulated device: signs as the Margo reference device does, and remembers what the WFM told it."""

import json
import uuid
from typing import Any, Final

from gateway.demo.fleet import BUNDLE_TYPE, MANIFEST_TYPE
from gateway.model import Algorithm
from gateway.signing import PrivateKey, Request, SignedRequest, SignOptions, sign

_JSON: Final = ("Content-Type", "application/json")


class Device:
    """A device under `client_id`. `origin` is the scheme and authority that it believes to talk to; times are seconds
    since 1970."""

    def __init__(self, client_id: str, key: PrivateKey, algorithm: Algorithm, origin: str) -> None:
        self.client_id = client_id
        self.algorithm = algorithm
        self._key = key
        self._root = f"{origin}/api/v1/clients/{client_id}"
        self.origin = origin
        self._etag: str | None = None
        self._deployment_id = str(uuid.uuid4())
        self._bundle_path: str | None = None
        self._sequence = 0

    def status_report(self, now: int) -> SignedRequest:
        """POST of how a deployment fares."""
        report = {
            "apiVersion": "deployment.margo.org/v1alpha1",
            "kind": "DeploymentStatusManifest",
            "deploymentId": self._deployment_id,
            "status": {"state": "installed", "error": {"code": "", "message": ""}},
            "components": [{"name": "hello-world", "state": "installed", "error": {"code": "", "message": ""}}],
        }
        return self.signed("POST", f"/deployments/{self._deployment_id}/status", now, report)

    def capability_report(self, now: int) -> SignedRequest:
        """PUT or POST of what the device can do, on the newer and the older route, for itself or a child behind it."""
        report = {
            "apiVersion": "device.margo.org/v1alpha1",
            "kind": "DeviceCapabilitiesManifest",
            "properties": {
                "id": self.client_id,
                "vendor": "Example Industries",
                "modelNumber": "EX-7",
                "serialNumber": self.client_id[:8],
                "roles": ["Standalone Device"],
                "resources": {"memory": "8 GiB", "storage": "64 GB", "cpu": {"cores": 4, "architecture": "amd64"}},
            },
        }
        match self._sequence % 3:
            case 0:
                return self.signed("POST", "/capabilities", now, report)
            case 1:
                return self.signed("PUT", "/capabilities/gateway-1", now, report)
            case _:
                return self.signed("PUT", "/capabilities/gateway-1/child-2", now, report)

    def poll(self, now: int) -> SignedRequest:
        """GET of the desired state, conditional once it is known."""
        fields = [("Accept", MANIFEST_TYPE)]
        if self._etag is not None:
            fields.append(("If-None-Match", self._etag))
        return self.signed("GET", "/deployments", now, fields=tuple(fields))

    def bundle(self, now: int) -> SignedRequest | None:
        """GET of the bundle that the last manifest named; None before there was one."""
        if self._bundle_path is None:
            return None
        request = Request("GET", self.origin + self._bundle_path, fields=(("Accept", BUNDLE_TYPE),))
        return sign(request, self._key, SignOptions(created=now, alg=self.algorithm))

    def change_key(self, key: PrivateKey) -> None:
        """Sign with this key from now on; it is of the same algorithm."""
        self._key = key

    def heard_manifest(self, etag: str | None, body: bytes) -> None:
        """Take in a 200 answer to a poll."""
        manifest = json.loads(body)
        self._etag = etag
        self._bundle_path = manifest["bundle"]["url"]
        self._deployment_id = manifest["deployments"][0]["deploymentId"]

    def signed(
        self,
        method: str,
        path: str,
        now: int,
        report: dict[str, Any] | None = None,
        fields: tuple[tuple[str, str], ...] = (),
        components: tuple[str, ...] | None = None,
        key: PrivateKey | None = None,
    ) -> SignedRequest:
        """Sign a request below the client's own path; with another `key` or other `components` it is a bad one."""
        self._sequence += 1
        body = b""
        if report is not None:
            # Without something new in it, two reports of one second would be one message twice: a replay (R13).
            body = json.dumps(report | {"sequence": self._sequence}).encode()
            fields = (*fields, _JSON)
        options = SignOptions(created=now, alg=self.algorithm, components=components)
        return sign(Request(method, self._root + path, body, fields), key or self._key, options)
