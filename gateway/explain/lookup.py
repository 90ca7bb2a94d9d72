"""Where an explanation finds certificates: a store that is only read, or one certificate that stands for everybody."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from gateway.model import Certificate, Client, Status
from gateway.onboarding.flow import Standing
from gateway.registry.answers import Found, Unavailable


class Lookup(Protocol):
    """What an explanation may ask; nothing is ever written."""

    @property
    def source(self) -> str:
        """What to call it: a file name or a store's URL without its password."""
        ...

    @property
    def assumed(self) -> bool:
        """The client is made up for the certificate that was given."""
        ...

    def find(self, realm: str, client_id: str) -> Found:
        """The client as the gateway would find it."""
        ...

    def subjects(self, realm: str, client_id: str) -> Mapping[str, str]:
        """Subjects of the client's certificates (RFC 4514) by the certificate's hex SHA-256, as far as they are
        known."""
        ...

    def owner(self, realm: str, spki_sha256: str) -> str | None:
        """The id of the client that has this key (lower-case hex); None if nobody has it or nobody knows."""
        ...

    def others(self, realm: str, limit: int) -> Iterator[Client]:
        """At most `limit` clients of the realm, in no order."""
        ...

    def standing(self, realm: str, certificate: Certificate) -> Standing | Unavailable:
        """What is known of the key of a device that onboards."""
        ...

    def claimed(self, key: bytes) -> bool | None:
        """Was this replay key claimed already? None: cannot tell."""
        ...


class OneCertificate(msgspec.Struct, frozen=True):
    """Every client id has this certificate: for a request and a certificate without a store."""

    certificate: Certificate
    source: str
    subject: str = ""
    assumed: bool = True

    def find(self, realm: str, client_id: str) -> Found:
        """A client made for the occasion."""
        return Client(realm, client_id, Status.ACTIVE, (self.certificate,))

    def subjects(self, realm: str, client_id: str) -> Mapping[str, str]:
        """The one subject."""
        return {self.certificate.sha256: self.subject}

    def owner(self, realm: str, spki_sha256: str) -> str | None:
        """Nobody knows."""
        return None

    def others(self, realm: str, limit: int) -> Iterator[Client]:
        """There are none."""
        return iter(())

    def standing(self, realm: str, certificate: Certificate) -> Standing | Unavailable:
        """Nobody knows it, and nobody pinned it."""
        return Standing()

    def claimed(self, key: bytes) -> bool | None:
        """There is no replay store."""
        return None
