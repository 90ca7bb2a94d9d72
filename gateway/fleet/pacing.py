"""Waits for the moment in which something is due."""

import asyncio
from typing import Final

_TIMER_S: Final = 0.0015
"""The event loop's timers have a resolution of a millisecond."""


async def until(due: float, stop: asyncio.Event, precise: bool = False) -> bool:
    """Wait until the loop's clock shows `due`, or until `stop` is set; true if it is.

    :param precise: spend a core on being in time to some µs; otherwise it may be a millisecond late
    """
    loop = asyncio.get_running_loop()
    if loop.time() >= due:
        await asyncio.sleep(0)  # behind schedule: let answers in, too
    while not stop.is_set() and (left := due - loop.time()) > 0:
        if precise and left < _TIMER_S:
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(min(left - _TIMER_S if precise else left, 0.1))
    return stop.is_set()
