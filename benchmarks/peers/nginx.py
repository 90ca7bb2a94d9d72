"""nginx as a plain proxy, and nginx with `auth_request` in front of a verifier."""

import contextlib
import getpass
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.macro import process
from benchmarks.peers.peer import Peer, Running, Site, child, free_port

START_S: Final = 10.0
CONFIG: Final = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_buffer_size 256k;
  client_max_body_size 100m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 100000000; }}
  {more}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      {inside}
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }}
    {after}
  }}
}}
"""

VERIFIER_UPSTREAM: Final = (
    "upstream verifier {{ server 127.0.0.1:{verifier}; keepalive 128; keepalive_requests 100000000; }}"
)
VERIFIER_LOCATION: Final = """\
location = /verify {
      internal;
      proxy_pass http://verifier;
      proxy_http_version 1.1;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Original-Uri $request_uri;
    }
"""


def why_not() -> str:
    """Is nginx here?"""
    return "" if shutil.which("nginx") else "nginx is not installed"


@contextlib.contextmanager
def serving(folder: Path, backend: int, core: int, verifier: int | None = None) -> Iterator[tuple[int, int]]:
    """nginx with one worker; its port, and the worker's process id."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    text = CONFIG.format(
        folder=folder,
        user=getpass.getuser(),
        backend=backend,
        port=port,
        more="" if verifier is None else VERIFIER_UPSTREAM.format(verifier=verifier),
        inside="" if verifier is None else "auth_request /verify;",
        after="" if verifier is None else VERIFIER_LOCATION,
    )
    config = folder / "nginx.conf"
    config.write_text(text)
    nginx = shutil.which("nginx")
    assert nginx is not None
    command = [nginx, "-c", config, "-p", folder, "-e", folder / "error.log"]
    with child(command, port, core, folder / "nginx.out") as master:
        yield port, _worker(master)


def _worker(master: int) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for pid, command in process.children(master).items():
            if "worker" in command:
                return pid
        time.sleep(0.01)
    raise RuntimeError("nginx started no worker")


@contextlib.contextmanager
def _plain(site: Site) -> Iterator[Running]:
    with serving(site.folder, site.backend, site.core) as (port, worker):
        yield Running("nginx, plain proxy", port, (worker,))


PLAIN: Final = Peer("nginx, plain proxy", why_not, _plain)


def in_front_of(name: str, verifier: Peer) -> Peer:
    """nginx that asks `verifier` about every request. The verifier sees the head only: nobody checks the body."""

    def missing() -> str:
        return why_not() or verifier.why_not()

    @contextlib.contextmanager
    def start(site: Site) -> Iterator[Running]:
        with (
            verifier.start(site) as behind,
            serving(site.folder / "nginx", site.backend, site.core, behind.port) as (port, worker),
        ):
            yield Running(name, port, (worker, *behind.pids))

    return Peer(name, missing, start)
