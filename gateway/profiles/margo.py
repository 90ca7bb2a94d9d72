"""Every route of Margo's Workload Management API in the era of message signatures, all published versions at once.

The versions differ in the path of the status report and in the device id of capabilities; no path means two things in
two of them: one table serves all. Symphony's sandbox has the same paths under `/v1alpha2/margo` (`policy.base_path`).
"""

from typing import Final

import msgspec

from gateway.config import Policy
from gateway.profiles.template import GET, POST, Access, Template

FIRST: Final = "1.0.0 (first, and 0.0.1)"
LATER: Final = "1.0.0 (later)"
RC2: Final = "1.0.0-rc.2"
SYMPHONY: Final = "Symphony sandbox (v0 2025-12)"
ALL: Final = (FIRST, LATER, RC2, SYMPHONY)

ROUTES: Final = (
    Template(
        name="onboarding-certificate",
        path="/api/v1/onboarding/certificate",
        methods=GET,
        access=Access.OPEN,
        versions=(FIRST, LATER, RC2),
    ),
    Template(
        name="onboarding",
        path="/api/v1/onboarding",
        methods=POST,
        access=Access.ONBOARDING,
        versions=ALL,
    ),
    Template(
        name="capabilities",
        path="/api/v1/clients/{clientId}/capabilities",
        methods=("POST", "PUT"),
        versions=(FIRST, LATER, SYMPHONY),
    ),
    Template(
        name="device-capabilities",
        path="/api/v1/clients/{clientId}/capabilities/{+deviceId}",
        methods=("POST", "PUT", "DELETE"),
        versions=(RC2,),
    ),
    Template(
        name="deployments",
        path="/api/v1/clients/{clientId}/deployments",
        methods=GET,
        versions=ALL,
    ),
    Template(
        name="bundle",
        path="/api/v1/clients/{clientId}/bundles/{digest}",
        methods=GET,
        versions=ALL,
    ),
    Template(
        name="deployment",
        path="/api/v1/clients/{clientId}/deployments/{deploymentId}/{digest}",
        methods=GET,
        versions=ALL,
    ),
    Template(
        name="status",
        path="/api/v1/clients/{clientId}/deployments/{deploymentId}/status",
        methods=POST,
        versions=(LATER, RC2),
    ),
    Template(
        name="status-singular",
        path="/api/v1/clients/{clientId}/deployment/{deploymentId}/status",
        methods=POST,
        versions=(FIRST, SYMPHONY),
    ),
    # It trades a password for a token, neither of which a message signature protects.
    Template(
        name="symphony-token",
        path="/api/v1/auth/token",
        methods=POST,
        access=Access.OFF,
        versions=(SYMPHONY,),
    ),
)

# Ours, not Margo's: a device that has both keys gives itself a new certificate (R23).
ROTATION: Final = Template(
    name="client-certificate",
    path="/api/v1/clients/{clientId}/certificate",
    methods=POST,
    access=Access.ROTATION,
)


def routes(policy: Policy) -> tuple[Template, ...]:
    """The table with the modes that the operator gave its signed routes (R16)."""
    return tuple(_with_mode(row, policy) if row.access is Access.SIGNED else row for row in ROUTES)


def _with_mode(row: Template, policy: Policy) -> Template:
    mode = policy.modes.get(row.name, policy.mode)
    if mode == "off":
        return msgspec.structs.replace(row, access=Access.OFF)
    return msgspec.structs.replace(row, mode=mode)
