"""Common code of the environment workers: staggering of episodes, and the values compared.

In most tasks a reset costs at most two steps. In dm_control's cheetah it costs about two hundred,
because the simulation settles first. There, before the timing, environment i of n runs i/n of an
episode, so that resets are spread as evenly as in a long run.
"""

import numpy as np

#: Steps after the reset at which environments are compared.
COMPARED = 100
#: Steps of an episode.
EPISODE = 1000


def spread(count: int):
    """For each round, the environments that step in it, until each has done its share of an
    episode."""
    shares = EPISODE * np.arange(count) // count
    for step in range(EPISODE):
        yield np.flatnonzero(shares > step)


def summary(observations: np.ndarray, returns: np.ndarray) -> dict:
    """Means over environments and their standard errors: of the return of the first COMPARED steps,
    and of the size of the observation `[environments, entries]` then."""

    def mean(x):
        return {"mean": float(np.mean(x)), "error": float(np.std(x, ddof=1) / np.sqrt(len(x)))}

    return {
        "observation entries": observations.shape[1],
        "return": mean(returns),
        "observation size": mean(np.sqrt(np.mean(observations**2, axis=1))),
    }
