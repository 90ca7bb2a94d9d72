"""The subject of a certificate as text."""

from cryptography import x509


def subject_of(certificate: x509.Certificate) -> str:
    """The distinguished name by RFC 4514; empty where it cannot be read, which is no concern of the request path."""
    try:
        return certificate.subject.rfc4514_string()
    except ValueError:
        return ""
