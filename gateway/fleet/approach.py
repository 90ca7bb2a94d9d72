"""Before the clock starts: find the target, and make sure that it is there, verifies, and knows the devices."""

import ssl
from typing import Final

import msgspec

from gateway.config.address import read_origin
from gateway.demo.device import Device
from gateway.demo.tally import ACCEPTED
from gateway.demo.verdict import verdict
from gateway.fleet.devices import Credential
from gateway.fleet.wire import Pool, Target
from gateway.reasons import ConfigError, Reason
from gateway.signing import algorithms_of, load_private_key, raw, split_url

_ADVICE: Final = {
    Reason.KEY_UNKNOWN: "register the devices first (`wfm-gateway clients import DIR`), or let new ones onboard",
    Reason.SIGNATURE_WRONG: "--public-url must be what the gateway has as public_url, base_path behind it, and the "
    "registered certificates must be those of the keys",
    Reason.POLICY_TOO_OLD: "the clocks of this machine and of the gateway differ",
    Reason.POLICY_FUTURE: "the clocks of this machine and of the gateway differ",
}


def read_target(url: str, public_url: str | None, ca_file: str | None) -> Target:
    """Where to connect. The certificate of a TLS target must be that of the host in `public_url`.

    :raises ConfigError: config.invalid, config.unreadable
    """
    origin = read_origin(url.rstrip("/"), ("http", "https"))
    if origin is None:
        raise _invalid(f"--target {url!r} is not http:// or https:// with a host and nothing behind it")
    if origin.scheme == "http":
        return Target(origin.host, origin.port)
    try:
        tls = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{ca_file} cannot be read as certificates to trust") from error
    _, authority, _ = split_url(public_url or url)
    seen = read_origin(f"https://{authority}", ("https",))
    return Target(origin.host, origin.port, tls, origin.host if seen is None else seen.host)


async def reach(pool: Pool, url: str, origin: str) -> None:
    """See that somebody answers, and refuses what is not signed.

    :raises ConfigError: config.invalid
    """
    _, authority, target = split_url(f"{origin}/api/v1/clients/nobody/deployments")
    unsigned = f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    reply = await pool.ask(unsigned)
    status = reply.status
    if status == 0:
        raise _invalid(
            f"{url} cannot be reached ({reply.content.decode(errors='replace')}): is the gateway running there?"
        )
    if status < 400:
        raise _invalid(
            f"{url} answers {status} to a request without a signature: it does not verify, so there is nothing to "
            "measure"
        )
    if status == 404:
        raise _invalid(
            f"{url} has no route {target} (404): is it a wfm-gateway, and has --public-url its base_path at the end?"
        )
    if status not in (400, 401, 403):
        raise _invalid(f"{url} answers {status} to a request without a signature, where 401 would be right")


async def greet(pool: Pool, url: str, origin: str, credential: Credential, now_s: int) -> None:
    """Poll once as one of the devices.

    :raises ConfigError: config.invalid: it is refused, so all would be; config.unreadable: its key is none
    """
    key = load_private_key(credential.key, name=f"the key of {credential.client_id}")
    device = Device(credential.client_id, key, algorithms_of(key)[0], origin)
    reply = await pool.ask(raw(device.poll(now_s)))
    status = reply.status
    got = verdict(status, reply.content)
    if status == 0 or status >= 500:
        why = reply.content.decode(errors="replace") if status == 0 else got
        raise _invalid(f"{url} does not serve {credential.client_id} ({why}): is the WFM behind it running?")
    if got != ACCEPTED and not got.startswith("status "):  # the gateway's word, not the WFM's
        advice = next((says for reason, says in _ADVICE.items() if reason == got), "see `wfm-gateway explain`")
        raise _invalid(f"{url} refuses {credential.client_id} ({got}): {advice}")


def _invalid(sentence: str) -> ConfigError:
    return ConfigError(Reason.CONFIG_INVALID, sentence)


class Site(msgspec.Struct, frozen=True):
    """The target as it was named, where to connect, and the URL (before `/api/v1`) that devices sign."""

    url: str
    target: Target
    origin: str
