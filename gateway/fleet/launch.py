"""From what the operator asked for to the summary: devices, target, run."""

import asyncio
import datetime
import resource
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from gateway.demo.pki import Authority, Identity, make_authority
from gateway.demo.screen import Screen
from gateway.fleet import approach, descriptors, devices
from gateway.fleet.devices import Credential
from gateway.fleet.enrol import enrol
from gateway.fleet.run import Outcome, Run
from gateway.fleet.schedule import Pace
from gateway.fleet.signers import Signers, cost_s
from gateway.fleet.summary import Summary
from gateway.fleet.wire import Pool
from gateway.model import Algorithm

AUTHORITY_FOLDER = "ca"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`site` is the target; `pace.devices` 0 means as many as `keys` has. Without `keys` new devices are made, issued
    by `issuer` or by an authority of their own, and onboard. `signers` processes sign `ahead_s`
    ahead of the clock. `facts` go into the report."""

    site: approach.Site
    pace: Pace
    duration_s: float
    keys: Path | None
    issuer: Authority | None
    algorithm: Algorithm
    connections: int
    signers: int
    ahead_s: float
    facts: dict[str, str]


def make(folder: Path, count: int, issuer: Authority | None, algorithm: Algorithm, screen: Screen) -> None:
    """Fill a folder with new devices; the authority's certificate goes into a folder inside it.

    :raises ConfigError: the folder cannot be used
    """
    devices.take_folder(folder, "--make")
    authority = issuer or _new_authority()
    with screen.counting("keys and certificates", count) as counting:
        named = ((identity.name, identity) for identity in devices.make(authority, count, algorithm))
        devices.write(folder, named, counting.add)
    inner = folder / AUTHORITY_FOLDER
    inner.mkdir()
    (inner / "ca.pem").write_bytes(authority.certificate_pem)


def launch(settings: Settings, screen: Screen) -> Summary:
    """Run the fleet; Ctrl-C and SIGTERM end the traffic early.

    :raises ConfigError: no keys, no target, one that does not verify, not enough file descriptors
    """
    descriptors.reserve(settings.connections)
    known: list[Credential] = []
    fresh: list[Identity] = []
    if settings.keys is not None:
        with screen.counting("reading keys", settings.pace.devices) as counting:
            for credential in devices.read_folder(settings.keys, settings.pace.devices or None):
                known.append(credential)
                counting.add(1)
    else:
        count = settings.pace.devices
        screen.say(f"Making keys and certificates for {count} new devices ...")
        with screen.counting("keys and certificates", count) as counting:
            for identity in devices.make(settings.issuer or _new_authority(), count, settings.algorithm):
                fresh.append(identity)
                counting.add(1)
    outcome, used = uvloop.run(_drive(settings, known, fresh, screen))
    pace = msgspec.structs.replace(settings.pace, devices=len(known) or len(fresh))
    return Summary(pace=pace, outcome=outcome, signers_cpu_s=used, facts=settings.facts)


def _new_authority() -> Authority:
    return make_authority("Simulated Fleet CA", datetime.datetime.now(datetime.UTC))


async def _drive(
    settings: Settings, known: Sequence[Credential], fresh: Sequence[Identity], screen: Screen
) -> tuple[Outcome, float]:
    site = settings.site
    pool = Pool(site.target, settings.connections)
    try:
        await approach.reach(pool, site.url, site.origin)
        if fresh:
            screen.say(f"{len(fresh)} devices onboard at {site.url} ...")
            with screen.counting("onboarding", len(fresh)) as counting:
                known = await enrol(pool, site.url, site.origin, fresh, counting.add)
        await approach.greet(pool, site.url, site.origin, known[0], int(time.time()))
        pace = msgspec.structs.replace(settings.pace, devices=len(known))
        screen.say(
            f"{len(known)} devices, {pace.requests_per_s:.0f} requests a second once all have joined "
            f"({pace.ramp_s:g} s), for {settings.duration_s:g} s."
        )
        sign_s = cost_s(known[0], site.origin) / settings.signers
        before_s = _children_s()
        signers = Signers(known, site.origin, settings.signers)
        try:
            with screen.table():
                run = Run(site, pace, known, pool, signers, settings.duration_s, settings.ahead_s, sign_s, screen.show)
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, run.stop)
                outcome = await run.run()
        finally:
            signers.close()
        return outcome, _children_s() - before_s
    finally:
        pool.close()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
