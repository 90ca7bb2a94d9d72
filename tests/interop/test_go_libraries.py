"""The two Go libraries of real Margo devices sign and send, the gateway accepts."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.site import Answer, Site, answer

GO = shutil.which("go")
OLDEST = (1, 24, 4)
SOURCES = Path(__file__).parent / "go"

Send = Callable[..., tuple[Answer, str]]


def _go(*arguments: str, folder: Path = SOURCES) -> str:
    assert GO is not None
    # The toolchain that is there: a test must not install another one.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    done = subprocess.run(
        [GO, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _why_not() -> str:
    if GO is None:
        return "needs the Go toolchain, which is not installed"
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", _go("env", "GOVERSION"))
    if found is not None and tuple(int(part or 0) for part in found.groups()) < OLDEST:
        return f"needs Go {'.'.join(map(str, OLDEST))} or later, this is {found[0]}"
    return ""


_REASON = _why_not()
pytestmark = pytest.mark.skipif(bool(_REASON), reason=_REASON)


def sender(library: str, site: Site, folder: Path) -> Send:
    """Build the program of a library; the function returned runs it for a device and one more set of flags."""
    program = folder / library
    _go("build", "-o", str(program), ".", folder=SOURCES / library)

    def send(kind: str, *flags: str, body: str = "", key: str = "", url: str = "") -> tuple[Answer, str]:
        method, rest = ("POST", "capabilities") if body else ("GET", "deployments")
        done = subprocess.run(
            [
                program,
                *("-key", site.key_file(key or kind), "-method", method, "-url", url or site.url(kind, rest)),
                *("-connect", f"127.0.0.1:{site.port}", "-body", body, *flags),
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return answer(result["status"], result["body"]), result["signatureInput"]

    return send


@pytest.fixture(scope="module")
def htmsig(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Send:
    return sender("htmsig", site, tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def httpsign(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Send:
    return sender("httpsign", site, tmp_path_factory.mktemp("go"))


def verified_with(site: Site) -> str:
    """What the gateway told the backend about the last request."""
    return site.last_seen().values(b"Wfm-Signature")[0].decode()


@pytest.mark.parametrize("body", ['{"from":"htmsig"}', ""], ids=["post", "get"])
@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("p256", "ecdsa-p256-sha256"), ("p384", "ecdsa-p384-sha384"), ("rsa", "rsa-pss-sha512"), ("ed25519", "ed25519")],
)
def test_the_reference_device(htmsig: Send, site: Site, kind: str, algorithm: str, body: str) -> None:
    result, signature_input = htmsig(kind, body=body)
    assert result == Answer(200, "")
    digest = ' "content-digest"' if body else ""
    assert signature_input.startswith(f'sig=("@method" "@target-uri" "@authority"{digest});created=')
    assert ";alg=" not in signature_input
    assert algorithm in verified_with(site)
    assert site.last_seen().body.decode() == body


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("p256", "ecdsa-p256-sha256"),
        ("p384", "ecdsa-p384-sha384"),
        ("rsa", "rsa-pss-sha512"),
        ("rsa", "rsa-v1_5-sha256"),
        ("ed25519", "ed25519"),
    ],
)
def test_htmsig_with_alg(htmsig: Send, site: Site, kind: str, algorithm: str) -> None:
    result, signature_input = htmsig(kind, "-alg", algorithm, "-label", "mine", body='{"alg":true}')
    assert result == Answer(200, "")
    assert signature_input.startswith("mine=(")
    assert f';alg="{algorithm}"' in signature_input
    assert algorithm in verified_with(site)


@pytest.mark.parametrize("authority", ["wfm.example.com:443", "WFM.example.com"])
def test_the_reference_device_signs_the_authority_as_given(htmsig: Send, site: Site, authority: str) -> None:
    """R7: that spelling verifies, and it is the Host that the backend sees."""
    url = f"https://{authority}/api/v1/clients/p256/deployments"
    assert htmsig("p256", url=url)[0] == Answer(200, "")
    assert site.last_seen().values(b"Host") == [authority.encode()]


@pytest.mark.parametrize("alg", ["true", "false"])
@pytest.mark.parametrize("body", ['{"from":"httpsign"}', ""], ids=["post", "get"])
@pytest.mark.parametrize(
    ("kind", "flag", "algorithm"),
    [
        ("p256", "pss", "ecdsa-p256-sha256"),
        ("p384", "pss", "ecdsa-p384-sha384"),
        ("rsa", "v1_5", "rsa-v1_5-sha256"),
        ("ed25519", "pss", "ed25519"),
    ],
)
def test_httpsign(httpsign: Send, site: Site, kind: str, flag: str, algorithm: str, body: str, alg: str) -> None:
    unique = body and body.replace("}", f',"alg":{alg},"rsa":"{flag}"}}')
    result, signature_input = httpsign(kind, "-rsa", flag, f"-alg={alg}", body=unique)
    assert result == Answer(200, "")
    assert (f';alg="{algorithm}"' in signature_input) == (alg == "true")
    assert algorithm in verified_with(site)


@pytest.mark.parametrize("alg", ["true", "false"])
def test_httpsign_salts_pss_otherwise(httpsign: Send, site: Site, alg: str) -> None:
    """R11: httpsign 0.3.1 signs RSA-PSS with the longest salt that fits, RFC 9421 §3.3.1 says 64 octets: refused."""
    assert httpsign("rsa", "-rsa", "pss", f"-alg={alg}")[0] == Answer(401, "signature.wrong")


def test_httpsign_with_everything(httpsign: Send, site: Site) -> None:
    flags = ["-label", "x*", "-nonce", "from Go", "-tag", "t", "-expires", "60s", "-digest", "sha-512,sha-256"]
    result, signature_input = httpsign("p256", *flags, body='{"everything":1}')
    assert result == Answer(200, "")
    assert ";expires=" in signature_input
    assert site.last_seen().values(b"Content-Digest")[0].startswith(b"sha-512=:")
    assert httpsign("p256", *flags, body='{"everything":2}')[0] == Answer(401, "replay.seen")


@pytest.mark.parametrize("library", ["htmsig", "httpsign"])
def test_the_key_of_another_device_is_refused(request: pytest.FixtureRequest, site: Site, library: str) -> None:
    send: Send = request.getfixturevalue(library)
    octets = len(site.backend.octets)
    alg = ["-alg=false"] if library == "httpsign" else []
    assert send("p384", *alg, body="{}", key="p256")[0] == Answer(401, "signature.bad_length")
    assert send("ed25519", *alg, body="{}", key="p256")[0] == Answer(401, "signature.wrong")
    assert len(site.backend.octets) == octets
