"""One gateway for all: `wfm-gateway serve` with an embedded store, and devices registered while it runs."""

import datetime
import time
from collections.abc import Iterator

import pytest
import redis

from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm
from gateway.registry.embedded import attach_or_start
from gateway.registry.keys import EPOCH
from gateway.registry.registration import prepare
from gateway.registry.store import Store
from gateway.registry.store_url import EmbeddedStore
from tests.integration.backend import RecordingBackend
from tests.integration.served import Served, free_port
from tests.interop.site import PUBLIC, Site

KINDS = {
    "p256": Algorithm.ECDSA_P256_SHA256,
    "p384": Algorithm.ECDSA_P384_SHA384,
    "rsa": Algorithm.RSA_PSS_SHA512,
    "ed25519": Algorithm.ED25519,
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("interop")
    now = datetime.datetime.now(datetime.UTC)
    authority = make_authority("CA", now)
    identities = {kind: issue(authority, kind, algorithm, now) for kind, algorithm in KINDS.items()}
    for kind, identity in identities.items():
        (folder / f"{kind}.key").write_bytes(identity.key_pem)
    port = free_port()
    with (
        attach_or_start(EmbeddedStore(folder / "store")) as endpoint,
        redis.Redis(unix_socket_path=endpoint.path) as client,
    ):
        # As a store that is in use for an hour: one that begins now refuses what was signed in this very second (R13).
        client.set(EPOCH, int((time.time() - 3600) * 1000))
    with RecordingBackend() as backend, Served(
        *("--listen", f"127.0.0.1:{port}", "--upstream", backend.url, "--public-url", PUBLIC),
        *("--store", f"embedded:{folder}/store", "--workers", "1"),
    ):  # fmt: skip
        with attach_or_start(EmbeddedStore(folder / "store")) as endpoint, Store.connect(endpoint, "test") as store:
            for kind, identity in identities.items():
                store.add(prepare("default", kind, identity.certificate_pem, kind, int(time.time())))
        yield Site(port, backend, identities, folder)
