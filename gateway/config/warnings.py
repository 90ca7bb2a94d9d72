"""The settings of a valid configuration that open something: one sentence each, for every start and for `check`."""

from collections.abc import Iterator

from gateway.config.config import Config

_TARGETS = (
    frozenset({"@target-uri"}),
    frozenset({"@authority", "@request-target"}),
    frozenset({"@authority", "@path", "@query"}),
)
"""Sets of required components that bind the whole target (RFC 9421 §7.2.1)."""


def warnings(config: Config) -> list[str]:
    """One sentence per unsafe setting, each beginning with its key; empty for a safe configuration."""
    told = (_modes, _hops, _policy, _verify, _onboarding, _routes)
    return [sentence for part in told for sentence in part(config)]


def _hops(config: Config) -> Iterator[str]:
    public = config.listen.public
    if config.listen.hears_everyone:
        yield "unsafe.trust_everyone: whoever can connect can name any address as its own in a PROXY header (R6)"
    if config.listen.trusts_everyone:
        yield "unsafe.trust_everyone: whoever can connect can forge its address and the authority that was signed (R6)"
    if public is not None and public.scheme == "http" and not public.loopback:
        yield "listen.public_url: plain http, so bodies and identities can be read on the way"
    for upstream in config.upstreams:
        plain = [origin for origin in upstream.origins if origin.scheme == "http" and not origin.loopback]
        if not plain:
            continue
        key = "upstream.servers" if upstream.servers else "upstream.url"
        sentence = "plain http to another machine; whoever reaches that backend can forge Wfm-* fields (R17)"
        yield f"{key}: {sentence if len(config.upstreams) == 1 else f'{upstream.name}: {sentence}'}"
    if config.admin.remote:
        yield "unsafe.plain_remote_admin: the admin token can be read on the way, and whoever has it owns the registry"
    if config.store.plain_remote:
        yield "unsafe.plain_remote_store: clients and claims can be read and forged on the way to the store (R27)"


def _modes(config: Config) -> Iterator[str]:
    section = config.policy
    for key, mode in config.modes:
        if mode == "passthrough":
            yield f"{key}: passthrough, so every request reaches the backend and nobody verifies it (R16)"
        elif mode == "observe":
            but = f", but for {section.enforce_share} % of the clients" if section.enforce_share else ""
            yield f"{key}: observe, so requests that do not verify are reported and reach the backend{but} (R16)"


def _policy(config: Config) -> Iterator[str]:
    policy = config.policy
    if policy.replay == "off":
        yield "policy.replay: off, so a copied request is accepted again until it is too old (R13)"
    if policy.lost_memory == "accept":
        yield "policy.lost_memory: accept, so requests can be replayed after the store lost its memory (R13)"
    if not policy.require_covered_digest:
        yield "policy.require_covered_digest: false, so a body can be exchanged on the way for every client (R10)"
    if policy.keyid == "client-id":
        yield "policy.keyid: client-id, so the sender itself says who it is; only its key stands against that (R11)"
    required = frozenset(policy.required_components)
    if "@method" not in required:
        yield "policy.required_components: without @method a signature is good for every method (R9)"
    if not any(target <= required for target in _TARGETS):
        yield "policy.required_components: without @target-uri a signature can be moved to another target (R9)"


def _verify(config: Config) -> Iterator[str]:
    if config.verify.path is not None and config.verify.allow_unchecked_body:
        yield "verify.allow_unchecked_body: true, so the backend must compare each body with its digest (R10)"


def _onboarding(config: Config) -> Iterator[str]:
    section = config.onboarding
    if section.mode == "off":
        return
    if "tofu" in section.trust:
        yield "onboarding.trust: tofu, so whoever comes first with a new key becomes a client (R19)"
    if section.mode == "passthrough" and not section.trust:
        yield "onboarding.mode: passthrough without onboarding.trust, so every key reaches the WFM's onboarding (R19)"
    if section.stale_crl == "accept" and any(authority.crl is not None for authority in section.ca):
        yield "onboarding.stale_crl: accept, so a revoked certificate passes while its CRL cannot be refreshed"


def _routes(config: Config) -> Iterator[str]:
    for index, route in enumerate(config.routes):
        if route.relax:
            yield f"route[{index}].relax: {route.path} takes paths that a backend may read in another way (R1)"
        if route.require_covered_digest is False and config.policy.require_covered_digest:
            yield f"route[{index}].require_covered_digest: false, so a body of {route.path} can be exchanged (R10)"
