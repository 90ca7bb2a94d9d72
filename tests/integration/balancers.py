"""Real load balancers that end TLS 1.3 in front of a gateway: nginx and HAProxy, each started on ports of its own."""

import datetime
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Self

from gateway.demo.pki import issue, make_authority
from gateway.model import Algorithm

DEADLINE_S = 20.0

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_buffer_size 1m;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.3;
    location / {{
      proxy_pass http://127.0.0.1:{gateway};
      proxy_http_version 1.1;
      proxy_set_header Host internal.gateway;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""

HAPROXY = """
global
  log stderr format raw local0 err
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend devices
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem ssl-min-ver TLSv1.3
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  option forwardfor
  default_backend gateway
backend gateway
  server one 127.0.0.1:{gateway}
"""


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Balancer:
    """One balancer process between TLS clients and the gateway on port `gateway`."""

    def __init__(self, program: str, gateway: int, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        now = datetime.datetime.now(datetime.UTC)
        identity = issue(make_authority("Balancer CA", now), "wfm.example.com", Algorithm.ECDSA_P256_SHA256, now)
        (folder / "server.pem").write_bytes(identity.certificate_pem)
        (folder / "server.key").write_bytes(identity.key_pem)
        (folder / "both.pem").write_bytes(identity.certificate_pem + identity.key_pem)
        settings = (NGINX if program == "nginx" else HAPROXY).format(port=self.port, gateway=gateway, folder=folder)
        (folder / "balancer.conf").write_text(settings)
        path = shutil.which(program)
        assert path is not None
        self._command = [path, "-f" if program == "haproxy" else "-c", str(folder / "balancer.conf")]
        if program == "nginx":
            self._command += ["-p", str(folder), "-e", str(folder / "error.log")]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            assert self._process.poll() is None, "the balancer ended"
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

    def connect(self) -> ssl.SSLSocket:
        """A TLS 1.3 connection to it; who it is does not matter here, what it does to requests does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        return context.wrap_socket(plain, server_hostname="wfm.example.com")
