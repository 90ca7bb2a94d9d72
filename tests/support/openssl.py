"""Certificates and revocation lists as operators make them: with the commands of OpenSSL."""

import subprocess
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
LEAF = "basicConstraints=CA:FALSE\n"
DEFAULT = None
"""No extensions asked for: X.509 v1 before OpenSSL 3.2."""

_CONFIG = """\
[ca]
default_ca = own
[own]
database = {name}.index
serial = {name}.serial
crlnumber = {name}.crlnumber
certificate = {name}.pem
private_key = {name}.key
default_md = sha256
policy = any
default_days = 30
new_certs_dir = .
[any]
commonName = supplied
[indirect]
issuingDistributionPoint = critical,@idp
[idp]
indirectCRL = TRUE
[delta]
2.5.29.27 = critical,ASN1:INTEGER:1
[authorities]
issuingDistributionPoint = critical,@only
[only]
onlyCA = TRUE
[strange]
1.2.3.4.5 = critical,ASN1:UTF8String:what
"""


class Workshop:
    """A folder in which keys, requests, certificates and lists are made, each under a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """The certificate of that name."""
        return self.folder / f"{name}.pem"

    def run(self, *arguments: str) -> bytes:
        """One command of OpenSSL."""
        done = subprocess.run(["openssl", *arguments], check=False, cwd=self.folder, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(self, name: str, kind: str = "p256") -> None:
        """A new private key."""
        options = {
            "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
            "ed25519": ["-algorithm", "ed25519"],
        }[kind]
        self.run("genpkey", *options, "-out", f"{name}.key")

    def root(self, name: str, kind: str = "p256", extensions: str | None = CA, subject: str = "") -> Path:
        """A self-signed certificate; extensions None: as `openssl req -x509` makes it."""
        self.key(name, kind)
        if extensions is None:
            self.run(
                "req",
                "-x509",
                "-new",
                "-key",
                f"{name}.key",
                "-subj",
                subject or f"/CN={name}",
                "-days",
                "3650",
                "-out",
                f"{name}.pem",
            )
            return self.path(name)
        self.request(name, subject)
        self._sign(name, extensions, 3650, ["-signkey", f"{name}.key"])
        return self.path(name)

    def request(self, name: str, subject: str = "") -> None:
        """A signing request for the key of that name."""
        self.run("req", "-new", "-key", f"{name}.key", "-subj", subject or f"/CN={name}", "-out", f"{name}.csr")

    def issue(
        self,
        name: str,
        by: str,
        extensions: str | None = DEFAULT,
        kind: str = "p256",
        days: int = 30,
        options: tuple[str, ...] = (),
        subject: str = "",
    ) -> Path:
        """A certificate for a new key, signed by another one's: `openssl x509 -req -CA`."""
        self.key(name, kind)
        self.request(name, subject)
        authority = ["-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial"]
        self._sign(name, extensions, days, [*authority, *options])
        return self.path(name)

    def _sign(self, name: str, extensions: str | None, days: int, options: list[str]) -> None:
        if extensions is not None:
            (self.folder / f"{name}.ext").write_text(extensions)
            options = [*options, "-extfile", f"{name}.ext"]
        self.run("x509", "-req", "-in", f"{name}.csr", "-days", str(days), "-out", f"{name}.pem", *options)

    def crl(self, by: str, revoked: tuple[str, ...] = (), options: tuple[str, ...] = ("-crldays", "7")) -> bytes:
        """The revocation list of an authority: `openssl ca -gencrl`, after `openssl ca -revoke` for each name."""
        (self.folder / f"{by}.cnf").write_text(_CONFIG.format(name=by))
        for file, content in (("index", ""), ("serial", "01\n"), ("crlnumber", "01\n")):
            path = self.folder / f"{by}.{file}"
            if not path.exists():
                path.write_text(content)
        for name in revoked:
            self.run("ca", "-config", f"{by}.cnf", "-revoke", f"{name}.pem", "-crl_reason", "keyCompromise")
        self.run("ca", "-config", f"{by}.cnf", "-gencrl", "-out", f"{by}.crl", *options)
        return (self.folder / f"{by}.crl").read_bytes()

    def bundle(self, name: str, *members: str) -> Path:
        """Several certificates in one file."""
        path = self.folder / f"{name}.bundle"
        path.write_bytes(b"".join(self.path(member).read_bytes() for member in members))
        return path

    def load(self, name: str) -> tuple[x509.Certificate, bytes]:
        """The certificate of that name, and its DER."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_pem_x509_certificate(self.path(name).read_bytes())
        return certificate, certificate.public_bytes(Encoding.DER)
