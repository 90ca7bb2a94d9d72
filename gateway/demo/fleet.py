"""What the demo WFM knows: desired state, bundles, reported capabilities and statuses, all in memory."""

import gzip
import hashlib
import io
import json
import tarfile
import uuid
from typing import Any, Final

import msgspec

from gateway.clock import Clock

MANIFEST_TYPE: Final = "application/vnd.margo.manifest.v1+json"
BUNDLE_TYPE: Final = "application/vnd.margo.bundle.v1+tar+gzip"
ROLLOUT_S: Final = 5.0
"""Every so many seconds the fleet gets a new desired state, so that pollers see both 200 and 304."""

_DEPLOYMENT: Final = """\
apiVersion: application.margo.org/v1alpha1
kind: ApplicationDeployment
metadata:
  annotations:
    applicationId: com-example-hello
    id: {deployment_id}
  name: hello-world
spec:
  deploymentProfile:
    type: helm.v3
    components:
      - name: hello-world
        properties:
          repository: oci://registry.example.com/charts/hello-world
          revision: 1.0.{version}
"""


class Conflict(Exception):
    """The certificate is known already (the reference server's 409)."""


class Document(msgspec.Struct, frozen=True, gc=False):
    """Immutable bytes with their media type; `digest` is `sha256:<hex>` and, in quotes, the ETag."""

    data: bytes
    media_type: str
    digest: str

    @property
    def etag(self) -> str:
        """The entity tag, strong: it is over the very bytes (RFC 9110 §8.8.3)."""
        return f'"{self.digest}"'


class Release(msgspec.Struct, frozen=True, gc=False):
    """One desired state of the whole fleet: a deployment and the bundle that carries it."""

    version: int
    deployment_id: str
    deployment: Document
    bundle: Document


class Fleet:
    """The WFM's memory. Every method is immediate; time comes from `clock`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._release: Release | None = None
        self._documents: dict[str, Document] = {}
        self._onboarded: dict[str, str] = {}
        self.capabilities: dict[tuple[str, str], dict[str, Any]] = {}
        self.statuses: dict[tuple[str, str], dict[str, Any]] = {}

    def manifest(self, client_id: str, base_path: str) -> Document:
        """The client's desired state. Its URLs are paths of this server, which is why no hop may rewrite them."""
        release = self._current()
        root = f"{base_path}/api/v1/clients/{client_id}"
        content = {
            "manifestVersion": release.version,
            "bundle": {
                "mediaType": BUNDLE_TYPE,
                "digest": release.bundle.digest,
                "sizeBytes": len(release.bundle.data),
                "url": f"{root}/bundles/{release.bundle.digest}",
            },
            "deployments": [
                {
                    "deploymentId": release.deployment_id,
                    "digest": release.deployment.digest,
                    "sizeBytes": len(release.deployment.data),
                    "url": f"{root}/deployments/{release.deployment_id}/{release.deployment.digest}",
                }
            ],
        }
        return _document(json.dumps(content).encode(), MANIFEST_TYPE)

    def document(self, digest: str, media_type: str) -> Document | None:
        """A bundle or deployment of this or an earlier release, by its digest."""
        self._current()
        found = self._documents.get(digest)
        return found if found is not None and found.media_type == media_type else None

    def report_capabilities(self, client_id: str, device_id: str, report: dict[str, Any]) -> bool:
        """Keep what a device can do; true if it was not known before. `device_id` is "" on the older routes."""
        created = (client_id, device_id) not in self.capabilities
        self.capabilities[client_id, device_id] = report
        return created

    def forget_capabilities(self, client_id: str, device_id: str) -> bool:
        """Forget a device; false if there was none."""
        return self.capabilities.pop((client_id, device_id), None) is not None

    def report_status(self, client_id: str, deployment_id: str, report: dict[str, Any]) -> None:
        """Keep the latest status of one deployment on one client."""
        self.statuses[client_id, deployment_id] = report

    def onboard(self, certificate_sha256: str) -> str:
        """A client id for a new certificate.

        :raises Conflict: the certificate was onboarded before
        """
        if certificate_sha256 in self._onboarded:
            raise Conflict(certificate_sha256)
        client_id = str(uuid.uuid4())
        self._onboarded[certificate_sha256] = client_id
        return client_id

    def _current(self) -> Release:
        version = 1 + int((self._clock.monotonic() - self._started) / ROLLOUT_S)
        if self._release is None or self._release.version != version:
            self._release = _release(version)
            for document in (self._release.bundle, self._release.deployment):
                self._documents[document.digest] = document
        return self._release


def _release(version: int) -> Release:
    deployment_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:wfm-gateway:demo:{version}"))
    text = _DEPLOYMENT.format(deployment_id=deployment_id, version=version).encode()
    archive = io.BytesIO()
    # No times inside, so that one version has one digest.
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        entry = tarfile.TarInfo(f"{deployment_id}.yaml")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return Release(
        version,
        deployment_id,
        _document(text, "application/yaml"),
        _document(archive.getvalue(), BUNDLE_TYPE),
    )


def _document(data: bytes, media_type: str) -> Document:
    return Document(data, media_type, f"sha256:{hashlib.sha256(data).hexdigest()}")
