"""The whole configuration as one frozen value; `gateway.config.load` makes it."""

import os

from msgspec import Struct, field

from gateway.config.admin import Admin
from gateway.config.engine import Engine
from gateway.config.errors import Errors
from gateway.config.headers import Headers
from gateway.config.limits import Limits
from gateway.config.listen import Listen
from gateway.config.log import Log
from gateway.config.observe import Observe
from gateway.config.onboarding import Onboarding
from gateway.config.policy import Policy
from gateway.config.rate import Rate
from gateway.config.registry import Registry
from gateway.config.route import Route
from gateway.config.store import Store
from gateway.config.unsafe import Unsafe
from gateway.config.upstream import Upstream
from gateway.config.verify import Verify


class Config(Struct, frozen=True, kw_only=True):
    """Every setting, checked; paths are absolute. Goes to the worker processes as JSON (`msgspec.json`).

    `base_dir` is what relative paths were resolved against (R27); `source` names the file, "" for flags.
    """

    upstream: Upstream
    more_upstreams: tuple[Upstream, ...] = ()
    """The other `[[upstream]]`, which have prefixes."""
    listen: Listen = Listen()
    store: Store = Store()
    policy: Policy = Policy()
    engine: Engine = Engine()
    registry: Registry = Registry()
    onboarding: Onboarding = Onboarding()
    admin: Admin = Admin()
    observe: Observe = Observe()
    headers: Headers = Headers()
    limits: Limits = Limits()
    rate: Rate = Rate()
    errors: Errors = Errors()
    log: Log = Log()
    verify: Verify = Verify()
    unsafe: Unsafe = Unsafe()
    routes: tuple[Route, ...] = field(default=(), name="route")
    base_dir: str = ""
    source: str = ""

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """All of them; the first gets what no prefix of the others is for."""
        return (self.upstream, *self.more_upstreams)

    @property
    def data_dir(self) -> str:
        """Where large bodies are spooled: `limits.data_dir`, else the embedded store's directory, else `data`."""
        return self.limits.data_dir or self.store.embedded_dir or os.path.join(self.base_dir, "data")

    @property
    def records(self) -> bool:
        """Workers write to the registry, for which they need another store user than the request path's (R27)."""
        section = self.onboarding
        return section.mode != "off" or section.rotation or self.registry.origin is not None

    @property
    def realms(self) -> frozenset[str]:
        """The realms that routes belong to (R3)."""
        if not self.routes:
            return frozenset({self.policy.realm})
        return frozenset({route.realm or self.policy.realm for route in self.routes})

    @property
    def modes(self) -> tuple[tuple[str, str], ...]:
        """Keys of all settings of modes, and what they are set to (R16)."""
        named = ((f"policy.modes.{name}", mode) for name, mode in self.policy.modes.items())
        routed = ((f"route[{index}].mode", route.mode) for index, route in enumerate(self.routes) if route.mode)
        return (("policy.mode", self.policy.mode), *named, *routed)

    @property
    def worker_count(self) -> int:
        """`listen.workers`, else one per core that this process may use."""
        if self.listen.workers is not None:
            return self.listen.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
