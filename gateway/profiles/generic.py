"""Profile `generic`: the rows are the operator's own `[[route]]` entries."""

from gateway.config import Config, Route
from gateway.model import Mode
from gateway.profiles.template import GET, Access, Template


def routes(config: Config) -> tuple[Template, ...]:
    """One row per entry, named by its path."""
    return tuple(_row(route, config.policy.mode) for route in config.routes)


def _row(route: Route, mode: Mode) -> Template:
    access = Access(route.access)
    return Template(
        name=route.path,
        path=route.path,
        # R16: an open route forwards only what has no body.
        methods=route.methods or (GET if access is Access.OPEN else ()),
        access=access,
        realm=route.realm,
        client_id_from_keyid=route.client_id == "keyid",
        require_covered_digest=route.require_covered_digest,
        relax=route.relax,
        mode=(route.mode or mode) if access is Access.SIGNED else "enforce",
    )
