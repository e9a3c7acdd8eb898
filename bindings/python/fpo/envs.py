"""The tasks of fpo as Gymnasium environments, single and vectorized."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from . import _native
from ._errors import InputError, whole

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Width and height of pictures.
PICTURE = (480, 480)


def tasks() -> list[dict[str, Any]]:
    """The tasks of fpo: name, summary, parts of the observation, bounds of the action,
    seconds of a step, and steps of an episode."""
    return [dict(task) for task in _native.tasks()]


def register() -> None:
    """Registers every task at Gymnasium, as `fpo/TASK-v0`; `import fpo` does it."""
    for task in _native.tasks():
        gymnasium.register(
            id=f"fpo/{task['name']}-v0",
            entry_point="fpo.envs:FpoEnv",
            vector_entry_point="fpo.envs:FpoVectorEnv",
            kwargs={"task": task["name"]},
        )


def make_vec(
    task: str, num_envs: int = 1, seed: int = 0, *, threads: int | None = None
) -> FpoVectorEnv:
    """A task of fpo as a `gymnasium.vector.VectorEnv`, stepped in Rust on several threads.

    An episode that ends is followed by the next in the same step (`AutoresetMode.SAME_STEP`): the
    last observations of episodes that ended are in `infos["final_obs"]`.

    Args:
        task: The name of a task (`fpo.tasks()` lists them) or the path of a task file.
        num_envs: Number of environments.
        seed: Seed of the initial states, until `reset` gives another.
        threads: Threads to step on; one per core by default. The results are the same.

    Raises:
        InputError: If there is no such task, or the number is out of range.
    """
    return FpoVectorEnv(task, num_envs, seed, threads=threads)


def make(task: str, *, render_mode: str | None = None) -> FpoEnv:
    """A task of fpo as a single `gymnasium.Env`, with pictures if `render_mode="rgb_array"`.

    Raises:
        InputError: If there is no such task.
    """
    return FpoEnv(task, render_mode=render_mode)


def _spaces(spec: dict[str, Any]) -> tuple[spaces.Box, spaces.Box]:
    """The spaces of a single environment's observation and action."""
    width = sum(size for _, size in spec["observation"])
    low, high = (np.array(spec[name], np.float32) for name in ("action_min", "action_max"))
    return spaces.Box(-np.inf, np.inf, (width,), np.float32), spaces.Box(low, high)


class FpoVectorEnv(VectorEnv[Floats, Floats, NDArray[Any]]):
    """Environments of a task of fpo, stepped in Rust; `fpo.make_vec` makes one.

    `fpo.train` recognizes it and trains on its task directly, without Python in between.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    render_mode: str | None = None

    def __init__(
        self, task: str, num_envs: int = 1, seed: int = 0, *, threads: int | None = None
    ) -> None:
        self.task = task
        self.num_envs = whole("num_envs", num_envs, 1, 1 << 20)
        threads = None if threads is None else whole("threads", threads, 1, 2**16 - 1)
        self._native = _native.VecEnv(task, self.num_envs, _seed(seed), threads)
        observation, action = _spaces(self._native.spec())
        self.single_observation_space: spaces.Box = observation
        self.single_action_space: spaces.Box = action
        self.observation_space = batch_space(observation, num_envs)
        self.action_space = batch_space(action, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begins new episodes in all environments; with a seed, those of a new batch.

        Raises:
            InputError: If there are seeds for single environments, or options.
        """
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise InputError("reset takes one seed for all environments, not a list")
        if options:
            raise InputError(f"reset knows no options, not {sorted(options)}")
        if seed is not None:
            super().reset(seed=int(seed))
        return self._native.reset(None if seed is None else _seed(seed)), {}

    def step(
        self, actions: Floats
    ) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Steps every environment with its action, `[num_envs, action]`. Entries beyond the bounds
        count as those bounds.

        Raises:
            InputError: If the shape is wrong or an action is not finite.
        """
        actions = np.ascontiguousarray(actions, dtype=np.float32)
        if actions.shape != self.action_space.shape:
            raise InputError(
                f"actions of shape {list(actions.shape)}, where "
                f"{list(self.action_space.shape or ())} is expected"
            )
        observations, rewards, terminated, truncated, last = self._native.step(actions)
        infos: dict[str, Any] = {}
        if last is not None:
            ended = terminated | truncated
            final = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(ended):
                final[i] = last[i]
            infos = {"final_obs": final, "_final_obs": ended}
        return observations, rewards, terminated, truncated, infos


class FpoEnv(gymnasium.Env[Floats, Floats]):
    """One environment of a task of fpo; `fpo.make` makes one."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(self, task: str, *, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise InputError(f'render_mode = {render_mode!r}: "rgb_array" or None')
        self.task = task
        self.render_mode = render_mode
        self._native = _native.Env(task)
        spec = self._native.spec()
        observation, action = _spaces(spec)
        self.observation_space: spaces.Box = observation  # type: ignore[assignment]
        self.action_space: spaces.Box = action  # type: ignore[assignment]
        self.metadata = {**self.metadata, "render_fps": round(1 / spec["control_timestep"])}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begins an episode; with a seed, the first of that seed."""
        super().reset(seed=seed)
        return self._native.reset(None if seed is None else _seed(seed)), {}

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Steps with an action, of which entries beyond the bounds count as those bounds."""
        flat = np.asarray(action, dtype=np.float32).ravel().tolist()
        observation, reward, terminated, truncated = self._native.step(flat)
        return observation, reward, terminated, truncated, {}

    def render(self) -> NDArray[np.uint8] | None:
        """A picture of the current state, `[height, width, 3]`."""
        if self.render_mode is None:
            return None
        return self._native.render(*PICTURE)


def _seed(seed: int) -> int:
    return whole("seed", seed, 0, 2**64 - 1)
