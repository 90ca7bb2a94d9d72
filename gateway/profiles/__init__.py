"""Route tables as data, one module per profile."""

from gateway.config import Config
from gateway.profiles import generic, margo
from gateway.profiles.template import Access, Template

__all__ = ["Access", "Template", "routes"]


def routes(config: Config) -> tuple[Template, ...]:
    """The rows of the configured profile; their paths still stand without `policy.base_path`."""
    if config.policy.profile == "margo":
        return (*margo.routes(config.policy), *((margo.ROTATION,) if config.onboarding.rotation else ()))
    return generic.routes(config)
