"""Certificates near their end are told in the log once a day by every gateway, not by every worker."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.registry.registration import prepare
from gateway.registry.store import Store
from tests.fault.valkey import Valkey
from tests.integration.served import COMMAND, DEADLINE_S, ROOT, free_port, wait_for
from tests.support import certificates as made

CONFIG = """
[listen]
address = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
workers = 2
[upstream]
url = "http://127.0.0.1:9"
[store]
url = "{store}"
"""


def lines(log: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == event]


@pytest.mark.parametrize("admin", [False, True])
def test_a_gateway_tells_once(tmp_path: Path, valkey: Valkey, admin: bool) -> None:
    with Store.connect(valkey.endpoint, "test") as store:
        for days in (365, 20, -1):
            der = made.certificate(made.p256_spki(), not_after=int(time.time() + days * 86400))
            store.add(prepare("default", f"days{days}", der, "test", int(time.time())))
    file = tmp_path / "gateway.toml"
    text = CONFIG.format(port=free_port(), store=f"unix://{valkey.socket}")
    if admin:
        (tmp_path / "token").touch(0o600)
        (tmp_path / "token").write_text("a-long-enough-token\n")
        text += f'[admin]\naddress = "127.0.0.1:{free_port()}"\ntoken_file = "token"\n'
    file.write_text(text)
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen([*COMMAND, "serve", "-c", str(file)], cwd=ROOT, stdout=out) as served:
        try:
            wait_for(lambda: len(lines(log, "store.connected")) == 2)
            wait_for(lambda: lines(log, "registry.certificates"))
        finally:
            served.terminate()
            assert served.wait(DEADLINE_S) == 0
    (line,) = lines(log, "registry.certificates")
    assert (line["level"], line["expiring_30d"], line["expired"]) == ("warning", 1, 1)
