"""Reads a store for `wfm-gateway explain`: clients, who has which key, which replay claims are taken. Writes
nothing."""

import contextlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from gateway.cli.explain_subject import subject_of
from gateway.config import Config
from gateway.config.store import without_password
from gateway.model import Certificate, Client
from gateway.onboarding.flow import Standing
from gateway.reasons import ConfigError, Reason
from gateway.registry import embedded, keys, pins, records, store_client, targets
from gateway.registry.answers import Found, Missing, Unavailable
from gateway.registry.certificates import read_certificate
from gateway.registry.records import RecordMismatch
from gateway.registry.registration import LEASE, TOMBSTONE
from gateway.registry.store_url import ClusterStore, EmbeddedStore, RemoteStore

_BATCH: Final = 500


class StoreLookup:
    """A store as an explanation sees it; `stand_in` is the client whose certificates count instead of the path's."""

    assumed = False

    def __init__(self, client: Any, endpoint: RemoteStore, source: str, stand_in: str | None) -> None:
        self._client = client
        self._endpoint = endpoint
        self._stand_in = stand_in
        self.source = source

    def find(self, realm: str, client_id: str) -> Found:
        """The client as the gateway would find it.

        :raises ConfigError: config.store_unreachable
        """
        client_id = self._stand_in or client_id
        with store_client.translated(self._endpoint):
            data: bytes | None = self._client.get(keys.client_key(realm, client_id))
        if data is None:
            return Missing()
        try:
            return records.decode(data, realm, client_id)
        except RecordMismatch as error:
            return Unavailable(Reason.STORE_ANSWER, str(error))

    def subjects(self, realm: str, client_id: str) -> Mapping[str, str]:
        """Subjects by the certificates' hashes; none where the record cannot be read."""
        client_id = self._stand_in or client_id
        with store_client.translated(self._endpoint):
            data: bytes | None = self._client.get(keys.client_key(realm, client_id))
        try:
            record = records.decode_whole(data or b"", realm, client_id)
            return {one.sha256: subject_of(read_certificate(one.der)[0]) for one in record.certs}
        except (RecordMismatch, ConfigError):
            return {}

    def owner(self, realm: str, spki_sha256: str) -> str | None:
        """Who has this key, by the index."""
        if len(spki_sha256) != 64 or not spki_sha256.isalnum():
            return None
        with store_client.translated(self._endpoint):
            data: bytes | None = self._client.get(keys.spki_key(realm, spki_sha256))
        owner = data.decode(errors="replace") if data is not None else ""
        return owner if keys.is_client_id(owner) else None

    def others(self, realm: str, limit: int) -> Iterator[Client]:
        """Clients of the realm, in no order; records that cannot be read are passed over."""
        prefix = keys.client_key(realm, "")
        with store_client.translated(self._endpoint):
            found = islice(self._client.scan_iter(match=prefix + b"*", count=_BATCH), limit)
            while names := list(islice(found, _BATCH)):
                values: list[bytes | None] = self._client.mget(names)
                for name, data in zip(names, values, strict=True):
                    with contextlib.suppress(RecordMismatch, UnicodeDecodeError):
                        if data is not None:
                            yield records.decode(data, realm, name.removeprefix(prefix).decode())

    def standing(self, realm: str, certificate: Certificate) -> Standing | Unavailable:
        """Index, pins and record, as onboarding reads them."""
        with store_client.translated(self._endpoint):
            names = [keys.spki_key(realm, certificate.spki_sha256), *pins.lookup_keys(realm, certificate)]
            replies: list[bytes | None] = [self._client.get(name) for name in names]
            owner = (replies[0] or b"").decode(errors="replace")
            pinned = any(pins.is_pin(reply, realm, certificate) for reply in replies[1:])
            known = bool(owner) and not owner.startswith((LEASE, TOMBSTONE))
            data: bytes | None = self._client.get(keys.client_key(realm, owner)) if known else None
        if data is None:
            return Standing(owner, None, pinned)
        try:
            return Standing(owner, records.decode_whole(data, realm, owner), pinned)
        except RecordMismatch as error:
            return Unavailable(Reason.STORE_ANSWER, str(error))

    def claimed(self, key: bytes) -> bool | None:
        """Is this replay key taken? Asked with EXISTS, which claims nothing."""
        if isinstance(self._endpoint, ClusterStore):
            key = keys.bucket_key(keys.bucket_of(key), key)
        with store_client.translated(self._endpoint):
            return bool(self._client.exists(key))


@contextlib.contextmanager
def open_store(config: Config, stand_in: str | None) -> Iterator[StoreLookup]:
    """The configuration's store; an embedded one that is not running is started for the moment.

    :raises ConfigError: config.store_unreachable, config.invalid, config.unreadable
    """
    target = targets.admin_target(config.store)
    source = without_password(config.store.url)
    with contextlib.ExitStack() as stack:
        if isinstance(target, EmbeddedStore):
            target = stack.enter_context(embedded.attach_or_start(target, create=False))
        client = stack.enter_context(contextlib.closing(store_client.connect(target)))
        yield StoreLookup(client, target, source, stand_in)
