"""The units of `deploy/systemd/` are ones that systemd reads without a complaint, and hold what they promise."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "deploy" / "systemd"
ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    # The command must exist, or its absence is the complaint.
    service = (FOLDER / "wfm-gateway.service").read_text().replace("/opt/wfm-gateway/bin/wfm-gateway", "/bin/true")
    (tmp_path / "wfm-gateway.service").write_text(service)
    shutil.copy(FOLDER / "wfm-gateway.socket", tmp_path)
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, "verify", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if "wfm-gateway" in line]
    assert (done.returncode, told) == (0, []), done.stderr


def test_a_stop_leaves_time_for_the_drain() -> None:
    """systemd kills after TimeoutStopSec; the drain and its grace must fit in."""
    from gateway.config import Limits
    from gateway.proxy.keeper import GRACE_S

    service = (FOLDER / "wfm-gateway.service").read_text()
    (line,) = [line for line in service.splitlines() if line.startswith("TimeoutStopSec=")]
    assert int(line.partition("=")[2]) > Limits().drain_s + GRACE_S
