"""Policies that act on NumPy arrays."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._errors import InputError, whole

Noise = Literal["zero", "random"] | NDArray[np.float32]
"""Zeros, standard normal numbers, or the numbers themselves `[n, noise_dim]`."""

Floats = NDArray[np.float32]


class Policy:
    """A trained policy: a function from an observation and noise to an action.

    From zero noise it gives its deterministic action, from random noise a sample of its
    distribution. Observations are as the environment gives them, and actions as it takes them.
    A policy never changes; any number of threads may use one at once.
    """

    def __init__(self, native: _native.Policy) -> None:
        if not isinstance(native, _native.Policy):
            raise InputError("a policy is read by fpo.Policy.load(path)")
        self._native = native

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], checkpoint: Literal["latest", "best"] | int = "latest"
    ) -> Policy:
        """The policy of a run, a checkpoint's folder or a policy file.

        Args:
            path: The run, or the path of its folder, of a checkpoint's folder or of a file.
            checkpoint: Of a run: the newest, the one with the best evaluation from zero noise, or
                the one after so many environment steps.

        Raises:
            InputError: If there is no policy, or the file is damaged.
        """
        return cls(_native.Policy.load(os.fspath(path), checkpoint))

    def act(
        self,
        observations: ArrayLike,
        noise: Noise = "zero",
        rng: np.random.Generator | int | None = None,
    ) -> Floats:
        """Actions for observations.

        Args:
            observations: `[n, observation_dim]`, or one observation `[observation_dim]`.
            noise: `"zero"` for deterministic actions, `"random"` for samples, or an array
                `[n, noise_dim]` of standard normal numbers.
            rng: What draws random noise: a generator, a seed, or none for fresh numbers.

        Returns:
            Actions `[n, action_dim]`, or one action `[action_dim]`.

        Raises:
            InputError: If a shape is wrong.
            TrainingError: If an action is not finite.
        """
        rows, single = self._rows(observations)
        actions = self._native.act(rows, self._noise(noise, rng, len(rows)))
        return actions[0] if single else actions

    def predict(
        self,
        observation: ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Floats, Any]:
        """As the policies of Stable-Baselines3 spell it: actions, and `state` as it was.

        `deterministic=True` is zero noise, otherwise the noise is random, from NumPy's global
        generator, which `numpy.random.seed` sets.
        """
        del episode_start
        if deterministic:
            return self.act(observation), state
        rows, single = self._rows(observation)
        noise = np.random.standard_normal((len(rows), self.noise_dim)).astype(np.float32)
        actions = self._native.act(rows, noise)
        return (actions[0] if single else actions), state

    def sample(
        self, observation: ArrayLike, n: int, rng: np.random.Generator | int | None = None
    ) -> Floats:
        """`n` actions for one observation, `[n, action_dim]`: its distribution, to look at."""
        rows, single = self._rows(observation)
        if not single and len(rows) != 1:
            raise InputError(f"sample takes one observation, not {len(rows)}")
        n = whole("n", n, 1, 10**9)
        return self._native.act(
            np.repeat(rows[:1], n, axis=0), self._noise("random", rng, n)
        )

    @property
    def task(self) -> str:
        """The task it was trained on."""
        return self._native.task

    @property
    def observation(self) -> list[tuple[str, int]]:
        """The parts of an observation in order: name and number of entries."""
        return self._native.observation

    @property
    def observation_dim(self) -> int:
        """Entries of an observation."""
        return self._native.observation_dim

    @property
    def action_dim(self) -> int:
        """Entries of an action."""
        return self._native.action_dim

    @property
    def noise_dim(self) -> int:
        """Random numbers that an action is made of."""
        return self._native.noise_dim

    @property
    def action_repeat(self) -> int:
        """Steps of the environment for which an action is held (`env.action_repeat`)."""
        return self._native.action_repeat

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the policy file, which everything else of fpo reads (docs/deploying.md)."""
        with open(path, "wb") as file:
            file.write(self._native.to_bytes())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_bytes, (bytes(self._native.to_bytes()),))

    def __repr__(self) -> str:
        return (
            f"Policy(task={self.task!r}, observation_dim={self.observation_dim}, "
            f"action_dim={self.action_dim})"
        )

    def _rows(self, observations: ArrayLike) -> tuple[Floats, bool]:
        """The observations `[n, observation_dim]`, and whether there was one without rows."""
        try:
            array = np.ascontiguousarray(observations, dtype=np.float32)
        except (TypeError, ValueError):
            raise InputError(
                f"observations are a {type(observations).__name__}, not an array of numbers: "
                "`fpo.flatten(env.observation_space, observation)` makes one of a Dict or Tuple"
            ) from None
        if array.ndim not in (1, 2) or array.shape[-1] != self.observation_dim:
            raise InputError(
                f"observations of shape {list(array.shape)}, where [n, {self.observation_dim}] or "
                f"[{self.observation_dim}] is expected"
            )
        return (array[None], True) if array.ndim == 1 else (array, False)

    def _noise(self, noise: Noise, rng: np.random.Generator | int | None, n: int) -> Floats:
        shape = (n, self.noise_dim)
        if isinstance(noise, str):
            if noise == "zero":
                return np.zeros(shape, np.float32)
            if noise == "random":
                drawn = np.random.default_rng(rng).standard_normal(shape, dtype=np.float32)
                return drawn
            raise InputError(f'noise = {noise!r}: "zero", "random" or an array')
        if noise is None or isinstance(noise, bool):
            raise InputError(f'noise = {noise}: "zero", "random" or an array')
        array = np.ascontiguousarray(noise, dtype=np.float32)
        if array.ndim == 1:
            array = array[None]
        if array.shape != shape:
            raise InputError(
                f"noise of shape {list(array.shape)}, where {list(shape)} is expected"
            )
        return array


def _from_bytes(data: bytes) -> Policy:
    return Policy(_native.Policy.from_bytes(data))
