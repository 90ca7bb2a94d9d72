"""The site of `deploy/compose/`: each part reads its configuration, and they name each other."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config import load

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
NGINX = shutil.which("nginx")
SERVICES = set(re.findall(r"^  (\w+):\n    (?:image|build)", (FOLDER / "compose.yaml").read_text(), re.MULTILINE))


def test_the_gateways_file_names_the_other_services() -> None:
    config = load(FOLDER / "gateway.toml")
    assert {"nginx", "gateway", "valkey", "wfm"} == SERVICES
    assert (config.upstream.url, config.store.url) == ("http://wfm:9000", "redis://valkey:6379")
    compose = (FOLDER / "compose.yaml").read_text()
    (network,) = config.listen.trusted_proxies
    assert f"subnet: {network}" in compose
    assert '"noeviction"' in compose


@pytest.mark.skipif(NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed")
def test_nginx_reads_its_file(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "make-certificate.sh", tmp_path)
    subprocess.run([tmp_path / "make-certificate.sh"], check=True, capture_output=True)
    text = (FOLDER / "nginx.conf").read_text()
    text = text.replace("/etc/nginx/tls/", f"{tmp_path}/tls/").replace("gateway:8080", "127.0.0.1:8080")
    text = text.replace("/tmp/nginx.pid", f"{tmp_path}/nginx.pid")
    (tmp_path / "nginx.conf").write_text(text)
    assert NGINX is not None
    done = subprocess.run(
        [NGINX, "-t", "-p", tmp_path, "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_image_runs_as_nobody_special() -> None:
    text = (FOLDER.parent / "container" / "Containerfile").read_text()
    last_stage = text[text.rindex("\nFROM ") :]
    assert "USER 10001:10001" in last_stage
    assert "gcc" not in last_stage
