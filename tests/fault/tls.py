"""A throw-away CA for TLS between gateway and store."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def issue(ca_file: Path, *leaf_files: Path) -> None:
    """A throw-away CA, and leaves of it for 127.0.0.1 with their keys."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store CA")])
    now = datetime.datetime.now(datetime.UTC)

    def builder(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    usage = x509.KeyUsage(*[index == 5 for index in range(9)])
    ca = builder(ca_name, ca_key).add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True)
    ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    for file in leaf_files:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)]), key).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + leaf.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
