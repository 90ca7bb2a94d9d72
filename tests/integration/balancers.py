"""Real load balancers with the files of `deploy/nginx/` and `deploy/haproxy/`: only ports and paths are put in."""

import datetime
import re
import shutil
import socket
import ssl
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any, Self

from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm

DEADLINE_S = 20.0
DEPLOY = Path(__file__).parents[2] / "deploy"

# What a distribution's nginx.conf has around the files of conf.d.
AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {inside}
}}
"""


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gateway_sections(file: Path) -> dict[str, dict[str, Any]]:
    """The lines of gateway.toml that the comments of a balancer's file ask for, as sections."""
    _, _, rest = file.read_text().partition("# gateway.toml:\n")
    lines = []
    for line in rest.splitlines():
        if not line.startswith("#   "):
            break
        lines.append(line.removeprefix("#   "))
    assert lines, f"{file} does not say what belongs into gateway.toml"
    sections = tomllib.loads("\n".join(lines))
    assert sections["listen"].pop("address") == "127.0.0.1:8080"
    return sections


class Balancer:
    """One balancer process between TLS clients and the gateway on port `gateway`; `others` are further things to
    replace in its file."""

    def __init__(
        self, file: Path, gateway: int, folder: Path, others: dict[str, str] | None = None, program: str = ""
    ) -> None:
        self.port = free_port()
        program = program or file.parent.name
        self.client_address = "127.0.0.1"
        self._before = b""
        if program == "nginx" and "proxy_protocol;" in file.read_text():
            # The balancer in front of it, as far as nginx sees one.
            self.client_address = "192.0.2.9"
            self._before = b"PROXY TCP4 192.0.2.9 198.51.100.1 50000 443\r\n"
        now = datetime.datetime.now(datetime.UTC)
        identity = issue(make_authority("Balancer CA", now), "wfm.example.com", Algorithm.ECDSA_P256_SHA256, now)
        (folder / "wfm.key").write_bytes(identity.key_pem)
        text = self._settings(file.read_text(), gateway, folder)
        for what, with_what in (others or {}).items():
            assert what in text, what
            text = text.replace(what, with_what)
        path = shutil.which(program)
        assert path is not None
        if program == "nginx":
            (folder / "wfm.pem").write_bytes(identity.certificate_pem)
            text = AROUND.format(folder=folder, inside=text)
            self._command = [path, "-p", str(folder), "-e", str(folder / "error.log"), "-c"]
        else:
            (folder / "wfm.pem").write_bytes(identity.certificate_pem + identity.key_pem)
            self._command = [path, "-f"]
        (folder / "balancer.conf").write_text(text)
        self._command.append(str(folder / "balancer.conf"))
        self._said = folder / "said.log"

    def _settings(self, text: str, gateway: int, folder: Path) -> str:
        text, listens = re.subn(r"^(  listen |  bind :)443\b", rf"\g<1>{self.port}", text, flags=re.MULTILINE)
        text, servers = re.subn(r"127\.0\.0\.1:8080(?=[; ].*$)", f"127.0.0.1:{gateway}", text, flags=re.MULTILINE)
        assert listens
        assert servers
        return re.sub(r"/etc/(nginx|haproxy)/tls/", f"{folder}/", text)

    def __enter__(self) -> Self:
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=said)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            assert self._process.poll() is None, self._said.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_S)

    def connect(self, name: str = "wfm.example.com") -> ssl.SSLSocket:
        """A TLS 1.3 connection to it; who it is does not matter here, what it does to requests does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        plain.sendall(self._before)
        return context.wrap_socket(plain, server_hostname=name)

    def ask_http2(self, octets: bytes) -> tuple[int, bytes]:
        """Send a request, given as HTTP/1.1 octets, over HTTP/2: status and body of the answer."""
        head, _, body = octets.partition(b"\r\n\r\n")
        request_line, *lines = head.decode().split("\r\n")
        method, target, _ = request_line.split(" ")
        host = next(line.partition(": ")[2] for line in lines if line.startswith("Host: "))
        command = ["curl", "--silent", "--insecure", "--http2", "--path-as-is", "--max-time", f"{DEADLINE_S:.0f}"]
        command += ["--haproxy-protocol"] if self._before else []
        command += ["--connect-to", f"::127.0.0.1:{self.port}", "--request", method]
        command += [part for line in lines if not line.startswith("Host: ") for part in ("--header", line)]
        command += ["--data-binary", "@-"] if body else []
        command += ["--write-out", "\n%{http_version} %{http_code}", f"https://{host}{target}"]
        done = subprocess.run(command, input=body, capture_output=True, check=True)
        answer, _, last = done.stdout.rpartition(b"\n")
        version, status = last.split()
        assert version == b"2", "the balancer did not take HTTP/2"
        return int(status), answer
