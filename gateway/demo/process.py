"""A child process of the demo that tells when it is ready, is watched, and is stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from gateway.reasons import ConfigError, Reason

START_S: Final = 30.0
STOP_S: Final = 40.0
"""More than the gateway's own drain takes."""
_TAIL_LINES: Final = 5


class Child:
    """One running Python program, its output in a file of its own.

    It gets a session of its own: Ctrl-C in the terminal must reach the demo first, which then stops what it started.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], log: Path, is_ready: Callable[[str], bool]) -> Self:
        """Run Python with `arguments`; returns when a line that it wrote `is_ready`.

        :raises ConfigError: config.invalid: it ended or was not ready in time; the message has its last lines
        """
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                # -P: the gateway that is installed, not a checkout that we happen to stand in.
                sys.executable, "-P", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        child = cls(name, process, log)
        try:
            async with asyncio.timeout(START_S):
                while not any(is_ready(line) for line in child.lines()):
                    if process.returncode is not None:
                        raise child.trouble("did not start")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            await child.stop()
            raise child.trouble(f"was not ready within {START_S:.0f} s") from error
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Does it still run?"""
        return self._process.returncode is None

    def lines(self) -> list[str]:
        """What it has written so far."""
        return self._log.read_text(errors="replace").splitlines()

    def trouble(self, what: str) -> ConfigError:
        """What to raise when it fails: one sentence with the end of its output."""
        tail = " / ".join(self.lines()[-_TAIL_LINES:])
        return ConfigError(Reason.CONFIG_INVALID, f"{self._name} {what}: {tail or 'it wrote nothing'}")

    async def stop(self) -> None:
        """Ask it to end (SIGTERM), and wait; a child that does not leave is killed."""
        if not self.alive:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
