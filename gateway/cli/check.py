"""`wfm-gateway check`: validate a configuration file and print what it means."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.shown import shown
from gateway.reasons import ConfigError

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.profiles import Template

CLAIM_BYTES = 100
"""What one replay claim takes in the store, with Valkey's own share (R13)."""

_EPILOG = """\b
Examples:
  wfm-gateway check -c gateway.toml
  wfm-gateway check -c gateway.toml --rate 5000 --json

Exit status: 0 the file is valid, 2 it is not.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), required=True, help="Configuration file (TOML)."
)
@click.option(
    "--rate",
    type=click.IntRange(1, 10_000_000),
    default=1000,
    show_default=True,
    help="Requests per second to size the replay window for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(file: Path, rate: int, as_json: bool) -> int:
    """Validate a configuration file and print what it means.

    Prints every setting with the defaults marked, the routes, what is unsafe, what the replay window needs of the
    store, the state of revocation lists that are files, and the engines that verify signatures.
    """
    from gateway.config import load

    try:
        config = load(file)
        report = examine(config, rate)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"valid": False, "reason": error.reason, "message": error.message}))
        return 2
    click.echo(json.dumps(report, indent=2) if as_json else "\n".join(map(shown, _lines(config, report))))
    return 0


def examine(config: "Config", rate: int) -> dict[str, Any]:
    """What `--json` prints: settings, routes, warnings, the replay window for `rate` requests a second, revocation
    lists, engines.

    :raises ConfigError: what only the reading of `[store]` and of the files of `[[onboarding.ca]]`, and a look at this
        machine, finds
    """
    import msgspec

    from gateway.config import warnings
    from gateway.config.render import without_secrets
    from gateway.onboarding.rehearsal import rehearse
    from gateway.registry.store_url import EmbeddedStore
    from gateway.registry.targets import admin_target, request_target
    from gateway.signature import engines

    target = request_target(config.store)
    admin_target(config.store)
    rehearsal = rehearse(config.onboarding)
    window_s = 0 if config.policy.replay == "off" else config.policy.claim_ttl_ms // 1000
    needed = rate * window_s * CLAIM_BYTES
    found = [*warnings(config), *rehearsal.warnings]
    if isinstance(target, EmbeddedStore) and needed > target.maxmemory_bytes:
        found.append(
            f"store.url: {rate} requests a second need {_size(needed)} of the embedded store, which has "
            f"{_size(target.maxmemory_bytes)}; when it is full, requests get 503 (?maxmemory= raises it)"
        )
    return {
        "valid": True,
        "config": msgspec.to_builtins(without_secrets(config)),
        "routes": routes(config),
        "replay": {
            "rate": rate,
            "window_s": window_s,
            "bytes": needed,
        },
        "revocation_lists": msgspec.to_builtins(rehearsal.lists),
        "engines": engines.choose(config.engine, config.source).described(),
        "warnings": found,
    }


def routes(config: "Config") -> list[dict[str, Any]]:
    """The routes as they are matched, `policy.base_path` included."""
    from gateway.profiles import routes as rows

    return [
        {
            "name": row.name,
            "access": row.access.value,
            "mode": row.mode if row.access == "signed" else None,
            "methods": _methods(row.methods),
            "path": config.policy.base_path + row.path,
            "realm": row.realm or config.policy.realm,
            "client_id": _source(row),
            "relax": list(row.relax),
        }
        for row in rows(config)
    ]


def _source(row: "Template") -> str | None:
    """Where the client id comes from."""
    if row.client_id_from_keyid:
        return "keyid"
    return "path" if row.access in ("signed", "rotation") else None


def _methods(methods: tuple[str, ...]) -> list[str]:
    if "GET" in methods and "HEAD" not in methods:
        return [*methods, "HEAD"]
    return list(methods)


def _lines(config: "Config", report: dict[str, Any]) -> Iterator[str]:
    from gateway.config.render import effective

    yield f"# {config.source} is valid."
    yield ""
    yield from effective(config).splitlines()
    yield ""
    yield "# Routes; a path that matches none is refused."
    cells = [(row["access"], " ".join(row["methods"]) or "any method", _path(row, config)) for row in report["routes"]]
    widths = [max(len(cell[column]) for cell in cells) for column in (0, 1)]
    for access, methods, path in cells:
        yield f"#   {access:<{widths[0]}}  {methods:<{widths[1]}}  {path}"
    yield ""
    replay = report["replay"]
    if replay["window_s"]:
        factors = f"{replay['rate']} requests/s x {replay['window_s']} s x {CLAIM_BYTES} B"
        yield f"# replay window: {factors} = {_size(replay['bytes'])} of the store"
    else:
        yield "# replay window: off"
    if report["revocation_lists"]:
        yield from _lists(config, report["revocation_lists"])
    yield "# Engines: what verifies the signatures of each kind of key."
    for kind, name in report["engines"].items():
        yield f"#   {kind:<7}  {name}"
    for warning in report["warnings"]:
        yield f"# WARNING: {warning}"


def _lists(config: "Config", lists: list[dict[str, Any]]) -> Iterator[str]:
    section = config.onboarding
    policy = "refused" if section.stale_crl == "refuse" else "accepted"
    yield f"# Revocation lists; without a current one certificates are {policy} (onboarding.stale_crl):"
    for one in lists:
        match one["state"]:
            case "fetched":
                said = f"fetched while the gateway runs, every {section.crl_refresh_s} s or before its nextUpdate"
            case "missing":
                said = "no usable list"
            case state:
                said = f"{one['revoked']} revoked, {state}, nextUpdate {one['next_update']}"
        yield f"#   {one['place']}  {one['authority']}: {said}"


def _path(row: dict[str, Any], config: "Config") -> str:
    # The names of margo's routes are the keys of [policy.modes].
    notes = [] if config.routes else [row["name"]]
    if row["mode"] not in (None, "enforce"):
        notes.append(f"mode {row['mode']}")
    if row["access"] == "onboarding":
        mode = config.onboarding.mode
        notes.append("closed: onboarding.mode is off" if mode == "off" else f"onboarding.mode is {mode}")
    if row["client_id"] == "keyid":
        notes.append("client id is the keyid")
    if row["relax"]:
        notes.append("relaxed: " + ", ".join(row["relax"]))
    if row["realm"] != "default":
        notes.append(f"realm {row['realm']}")
    return f"{row['path']}  ({'; '.join(notes)})" if notes else str(row["path"])


def _size(count: int) -> str:
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    return f"{count / 10**6:.1f} MB"
