"""Lets new devices onboard through the gateway, a bounded number at a time, and learns their client ids."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.demo.enrolment import onboarding_request
from gateway.demo.pki import Identity
from gateway.demo.verdict import verdict
from gateway.fleet.devices import Credential
from gateway.fleet.wire import Pool
from gateway.reasons import ConfigError, Reason
from gateway.signing import load_private_key, raw

AT_ONCE: Final = 16
TRIES: Final = 10
"""As often as the reference device tries."""
PAUSE_S: Final = 1.0


async def enrol(
    pool: Pool, url: str, origin: str, identities: Sequence[Identity], done: Callable[[int], None]
) -> list[Credential]:
    """Onboard all of them; their keys under the ids that they were given.

    :raises ConfigError: config.invalid: the gateway does not take one, so that the fleet would not be whole
    """
    left = iter(identities)
    taken: list[Credential] = []

    async def some() -> None:
        for identity in left:
            taken.append(Credential(await _one(pool, url, origin, identity), identity.key_pem))
            done(1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(identities))):
                group.create_task(some())
    except* ConfigError as refused:
        raise refused.exceptions[0] from None
    return taken


async def _one(pool: Pool, url: str, origin: str, identity: Identity) -> str:
    key = load_private_key(identity.key_pem)
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(PAUSE_S)
        request = onboarding_request(identity, key, origin, int(time.time()))
        reply = await pool.ask(raw(request))
        status, content = reply.status, reply.content
        if status in (200, 201):
            answer: Any = json.loads(content)
            return str(answer["clientId"])
        if 0 < status < 500 and status != 429:
            break
    got = verdict(status, content) if status else content.decode(errors="replace")
    raise ConfigError(
        Reason.CONFIG_INVALID,
        f"{url} does not onboard new devices ({got}): it must trust their authority (--issuer), or use registered "
        "devices (--keys)",
    )
