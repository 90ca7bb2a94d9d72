"""The README says what the program says."""

import datetime
import re
from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import group
from gateway.config import Engine, load
from gateway.demo.pki import make_authority
from tests.support.readme import README, with_tables


def test_the_tables_are_those_in_the_code() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run: python -m tests.support.readme"


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 10
    main, generic, observing, several, rate, tls, verify, onboarding, _, engine = blocks
    (tmp_path / "main.toml").write_text(main)
    config = load(tmp_path / "main.toml")
    assert config.policy.replay == "unsafe"
    needed = '[listen]\npublic_url = "https://a.example"\n[upstream]\nurl = "http://127.0.0.1:1"\n'
    (tmp_path / "generic.toml").write_text(
        needed + generic.replace('"generic"\n', '"generic"\nkeyid = "client-id"\n', 1)
    )
    assert len(load(tmp_path / "generic.toml").routes) == 3
    (tmp_path / "observing.toml").write_text(needed + re.sub("^# ", "", observing, flags=re.MULTILINE))
    assert load(tmp_path / "observing.toml").policy.observe_share == 25
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "tls.toml").write_text(tls)
    assert load(tmp_path / "tls.toml").listen.tls_cert == str(tmp_path / "fullchain.pem")
    (tmp_path / "verify.toml").write_text(verify)
    assert load(tmp_path / "verify.toml").verify.path == "/_verify"
    (tmp_path / "several.toml").write_text('[listen]\npublic_url = "https://a.example"\n' + several)
    assert [one.name for one in load(tmp_path / "several.toml").upstreams] == ["wfm", "bundles"]
    (tmp_path / "rate.toml").write_text(needed + rate)
    assert load(tmp_path / "rate.toml").rate.limits_anything
    (tmp_path / "engine.toml").write_text(needed + engine)
    assert load(tmp_path / "engine.toml").engine == Engine()
    for name in ("root-ca.pem", "vendor-ca.pem"):
        (tmp_path / name).write_bytes(make_authority("Vendor CA", datetime.datetime.now(datetime.UTC)).certificate_pem)
    (tmp_path / "onboarding.toml").write_text(onboarding)
    opened = load(tmp_path / "onboarding.toml").onboarding
    assert (opened.mode, opened.trust, opened.ca[0].tenant) == ("proxy", ("pinned", "ca"), "plant-7")


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"wfm-gateway (\w+)", README.read_text()))
    assert {"serve", "demo", "explain"} <= commands
    told = CliRunner().invoke(group, ["--help"])
    for name in commands:
        assert re.search(rf"^  {name}\b", told.output, re.MULTILINE), name
