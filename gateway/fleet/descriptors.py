"""Makes sure that this process may open as many files as it will need connections."""

import resource

from gateway.reasons import ConfigError, Reason

_SPARE = 128


def reserve(connections: int, option: str = "--connections") -> None:
    """Raise the soft limit towards the hard one where that is needed.

    :raises ConfigError: config.invalid: the hard limit is lower
    """
    needed = connections + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            Reason.CONFIG_INVALID,
            f"{option} {connections} needs {needed} open files, and this process may have {hard} (`ulimit -Hn`): "
            f"take at most {max(1, hard - _SPARE)}, or raise the limit",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
