"""When a client can no longer sign with any of its certificates, unless it gets a new one."""

from gateway.model import Status
from gateway.registry.records import Record, StoredCertificate


def certificate_ends(certificate: StoredCertificate) -> int:
    """The last second at which a certificate counts, since 1970: its own, or that of its overlap with a newer one."""
    if certificate.retire_after is None:
        return certificate.not_after
    return min(certificate.not_after, certificate.retire_after)


def client_ends(record: Record) -> int | None:
    """The last second at which any certificate of an active client counts; None for clients that are not active.

    A client that rotates in time is therefore not near its end, whatever becomes of its old certificate.
    """
    if record.status is not Status.ACTIVE:
        return None
    return max((certificate_ends(certificate) for certificate in record.certs), default=None)
