"""The chart of `deploy/helm/`: it renders, what it renders is a valid configuration, and what cannot work is refused."""

import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from gateway.config import load

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "wfm-gateway"
HELM = shutil.which("helm")

pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not installed")


def helm(*arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run helm over the chart with `values`, dots in their names written as double underscores."""
    assert HELM is not None
    settings = [f"--set={name.replace('__', '.')}={value}" for name, value in values.items()]
    command = [HELM, *arguments, str(CHART), "--kube-version", "1.30.0", *settings]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_has_no_faults_that_helm_knows() -> None:
    done = helm("lint", store__acceptPlain="true", serviceMonitor__enabled="true")
    assert done.returncode == 0, done.stdout


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    done = helm("template", "site", store__acceptPlain="true", extraConfig='[policy]\nreplay = "all"')
    assert done.returncode == 0, done.stderr
    _, _, rest = done.stdout.partition("gateway.toml: |\n")
    text = textwrap.dedent(rest.partition("\n---")[0])
    (tmp_path / "gateway.toml").write_text(text)
    config = load(tmp_path / "gateway.toml")
    assert config.policy.replay == "all"
    assert config.data_dir == "/data"


def test_a_single_replica_may_have_the_embedded_store() -> None:
    embedded = {"store__url": "embedded:/data", "persistence__enabled": "true"}
    done = helm("template", "site", replicas="1", **embedded)
    assert done.returncode == 0
    assert "kind: PersistentVolumeClaim" in done.stdout
    assert "kind: PodDisruptionBudget" not in done.stdout


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "plain redis can be read and forged"),
        ({"store__url": "embedded:/data"}, "an embedded store belongs to one replica"),
        ({"store__url": "embedded:/data", "replicas": "1"}, "forgets every device with its pod"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, str], sentence: str) -> None:
    done = helm("template", "site", **values)
    assert done.returncode != 0
    assert sentence in done.stderr
