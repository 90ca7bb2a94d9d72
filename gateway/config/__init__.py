"""What the operator decided: sections of one TOML file (or flags) as frozen values."""

from gateway.config.address import Address, Origin
from gateway.config.admin import Admin
from gateway.config.config import Config
from gateway.config.engine import Engine
from gateway.config.errors import Errors
from gateway.config.flags import from_flags
from gateway.config.headers import Headers
from gateway.config.limits import Limits
from gateway.config.listen import Listen
from gateway.config.load import load
from gateway.config.log import Log
from gateway.config.observe import Observe
from gateway.config.onboarding import Authority, Onboarding
from gateway.config.policy import Policy
from gateway.config.rate import Rate
from gateway.config.registry import Registry
from gateway.config.route import Relaxation, Route
from gateway.config.store import Store
from gateway.config.unsafe import Unsafe
from gateway.config.upstream import Upstream
from gateway.config.warnings import warnings

__all__ = [
    "Address",
    "Admin",
    "Authority",
    "Config",
    "Engine",
    "Errors",
    "Headers",
    "Limits",
    "Listen",
    "Log",
    "Observe",
    "Onboarding",
    "Origin",
    "Policy",
    "Rate",
    "Registry",
    "Relaxation",
    "Route",
    "Store",
    "Unsafe",
    "Upstream",
    "from_flags",
    "load",
    "warnings",
]
