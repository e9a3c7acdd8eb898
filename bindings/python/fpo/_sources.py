"""Environments in Python as sources of batches, which the trainer steps.

A source makes batches. The protocol between a batch and the trainer (src/task.rs) does not know of
auto-reset: `step` gives the last observations of episodes that end, and the trainer then calls
`reset` for those environments. What a vector environment does by itself is undone or anticipated
here, so that no transition is lost, and none is invented.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from ._errors import InputError
from ._spaces import Actions, Observations

Floats = NDArray[np.float32]
EnvFactory = Callable[[], "gymnasium.Env[Any, Any]"]

#: How a step ended.
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2


class Batch(Protocol):
    """Environments that are stepped together."""

    def reset(self, indices: NDArray[np.int64], seeds: NDArray[np.uint32]) -> Floats:
        """Begins episodes in the environments `indices`; returns their observations."""

    def step(
        self, actions: Floats, active: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, NDArray[np.uint8]]:
        """Steps those that are active: observations, rewards, how the step ended."""

    def release(self) -> None:
        """The trainer does not need the batch any longer."""


class Source:
    """What the trainer knows of an environment, and its batches."""

    #: Whether there can be environments for evaluations.
    can_evaluate = True
    #: The number of environments of training, if it is given.
    num_envs: int | None = None

    def __init__(
        self,
        name: str,
        summary: str,
        observation: gymnasium.Space[Any],
        action: gymnasium.Space[Any],
        step_limit: int | None,
        timestep: float,
    ) -> None:
        # A name of its own: that of a built-in task is another environment, if a similar one.
        self.name = "py-" + (re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") or "env")
        self.summary = summary
        self.observations = Observations(observation)
        self.actions = Actions(action)
        self.parts = self.observations.parts
        self.low = self.actions.low.tolist()
        self.high = self.actions.high.tolist()
        self.step_limit = step_limit
        self.timestep = timestep

    def batch(self, count: int, evaluating: bool) -> Batch:
        """Environments for training or for an evaluation."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes the environments that this source made."""


class FactorySource(Source):
    """Environments that a function makes, stepped one after the other."""

    def __init__(self, factory: EnvFactory) -> None:
        self.factory = factory
        first = self._made()
        spec = first.spec
        name = spec.id if spec is not None else type(first.unwrapped).__name__
        limit = spec.max_episode_steps if spec is not None else None
        # Also a wrapper that is not in the registry.
        limit = limit or _time_limit(first)
        fps = first.metadata.get("render_fps") or 0
        try:
            super().__init__(
                name,
                f"{type(first.unwrapped).__name__} in Python",
                first.observation_space,
                first.action_space,
                int(limit) if limit else None,
                1.0 / fps if fps > 0 else 1.0,
            )
        except InputError:
            first.close()
            raise
        #: Environments that no batch has at present.
        self.idle = [first]

    def _made(self) -> gymnasium.Env[Any, Any]:
        env = self.factory()
        if not isinstance(env, gymnasium.Env):
            raise InputError(
                f"the function made {_described(env)}, where a gymnasium.Env is expected"
            )
        return env

    def batch(self, count: int, evaluating: bool) -> Batch:
        envs = [self.idle.pop() if self.idle else self._made() for _ in range(count)]
        if len({id(env) for env in envs}) < count:
            raise InputError(
                "the function returned the same environment twice: it must make a new one each time"
            )
        return FactoryBatch(self, envs)

    def close(self) -> None:
        while self.idle:
            try:
                self.idle.pop().close()
            except Exception as error:  # The training is done, and is not to be lost for it.
                warnings.warn(f"closing an environment failed: {error!r}", stacklevel=2)


class FactoryBatch:
    """Single environments."""

    def __init__(self, source: FactorySource, envs: list[gymnasium.Env[Any, Any]]) -> None:
        self.source = source
        self.envs = envs
        self.observations = np.zeros((len(envs), source.observations.size), dtype=np.float32)

    def reset(self, indices: NDArray[np.int64], seeds: NDArray[np.uint32]) -> Floats:
        row = self.source.observations.row
        for i, seed in zip(indices.tolist(), seeds.tolist(), strict=True):
            given = self.envs[i].reset(seed=seed)
            if not (isinstance(given, tuple) and len(given) == 2):
                raise InputError(
                    f"reset returned {_described(given)}, where Gymnasium expects two values: "
                    "observation and info"
                )
            row(given[0], self.observations[i])
        return self.observations[indices]

    def step(
        self, actions: Floats, active: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, NDArray[np.uint8]]:
        row = self.source.observations.row
        rewards = np.zeros(len(self.envs), dtype=np.float32)
        ends = np.zeros(len(self.envs), dtype=np.uint8)
        # A new array each time: an environment may keep its action.
        batch = self.source.actions.batch(actions)
        for i in np.flatnonzero(active).tolist():
            given = self.envs[i].step(batch[i])
            if len(given) != 5:
                raise InputError(
                    f"step returned {len(given)} values, where Gymnasium expects five: observation,"
                    " reward, terminated, truncated, info"
                )
            observation, reward, terminated, truncated, _ = given
            try:
                rewards[i] = reward
            except (TypeError, ValueError):
                raise InputError(
                    f"step returned the reward {_described(reward)}, where a number is expected"
                ) from None
            row(observation, self.observations[i])
            ends[i] = TERMINATED if terminated else TRUNCATED if truncated else RUNNING
        return self.observations, rewards, ends

    def release(self) -> None:
        self.source.idle += self.envs
        self.envs = []


class VectorSource(Source):
    """A vector environment for training, and another source for evaluations, if there is one."""

    def __init__(
        self, env: Any, evaluation: FactorySource | None
    ) -> None:
        spec = getattr(env, "spec", None)
        name = getattr(spec, "id", None) or type(getattr(env, "unwrapped", env)).__name__
        if is_envpool(env):
            name = env.spec.config.task_id if hasattr(env.spec.config, "task_id") else name
        super().__init__(
            name,
            f"{type(env).__name__} in Python",
            getattr(env, "single_observation_space", env.observation_space),
            getattr(env, "single_action_space", env.action_space),
            None,
            1.0,
        )
        self.env = env
        self.num_envs = int(env.num_envs) if not is_envpool(env) else len(env)
        self.mode = autoreset_mode(env)
        self.evaluation = evaluation
        self.can_evaluate = evaluation is not None
        if evaluation is not None and (evaluation.parts, evaluation.low, evaluation.high) != (
            self.parts,
            self.low,
            self.high,
        ):
            raise InputError("eval_env has other observations or actions than env")

    def batch(self, count: int, evaluating: bool) -> Batch:
        if evaluating and self.evaluation is not None:
            return self.evaluation.batch(count, evaluating)
        if count != self.num_envs:
            raise InputError(f"the vector environment has {self.num_envs} environments: {count}")
        return VectorBatch(self)

    def close(self) -> None:
        # The vector environment is the caller's.
        if self.evaluation is not None:
            self.evaluation.close()


class VectorBatch:
    """All environments of a vector environment.

    * `SAME_STEP`: the environment has begun the next episode when a step returns, and gives the
      last observation in `infos["final_obs"]`. The first of the next is kept for `reset`.
    * `NEXT_STEP`: a step gives the last observation; the environment would begin the next episode
      in a step of its own, which ignores its action. `reset` begins it at once instead.
    * `DISABLED`: the same, without which the environment would not continue.
    """

    def __init__(self, source: VectorSource) -> None:
        self.source = source
        self.count = len(source.env) if is_envpool(source.env) else int(source.env.num_envs)
        #: Environments whose episode the latest step ended, and that have not begun the next.
        self.ended = np.zeros(self.count, dtype=np.bool_)
        #: The observations that the latest call gave; of SAME_STEP, those of next episodes.
        self.given = np.zeros((self.count, source.observations.size), dtype=np.float32)

    def reset(self, indices: NDArray[np.int64], seeds: NDArray[np.uint32]) -> Floats:
        mask = np.zeros(self.count, dtype=np.bool_)
        mask[indices] = True
        after_step = np.array_equal(mask, self.ended)
        self.ended = np.zeros_like(mask)
        if not after_step:
            # At first, and where a run is resumed: all of them.
            return self._reset_all(int(seeds[0] >> 1))
        if self.source.mode is AutoresetMode.SAME_STEP:
            return self.given[indices]
        return self._reset_some(mask, indices)

    def _reset_some(self, mask: NDArray[np.bool_], indices: NDArray[np.int64]) -> Floats:
        source = self.source
        # A copy, since the environment may take the mask out.
        observation, infos = source.env.reset(options={"reset_mask": mask.copy()})
        if is_envpool(source.env) and len(indices) < self.count:
            # Only those that began, which are put into the order of their numbers.
            began = source.observations.rows(observation, len(indices))
            return began[np.argsort(infos["env_id"])]
        rows = source.observations.rows(observation, self.count)
        if not np.array_equal(rows[~mask], self.given[~mask], equal_nan=True):
            raise InputError(
                f'{type(source.env).__name__}.reset(options={{"reset_mask": …}}) began episodes '
                "that the mask leaves out, so single episodes cannot be begun: make the "
                "environment with autoreset_mode=AutoresetMode.SAME_STEP"
            )
        self.given = rows
        return rows[indices]

    def _reset_all(self, seed: int) -> Floats:
        env = self.source.env
        # EnvPool has its seed since it was made.
        observation, _ = env.reset() if is_envpool(env) else env.reset(seed=seed)
        self.given = self.source.observations.rows(observation, self.count)
        return self.given

    def step(
        self, actions: Floats, active: NDArray[np.bool_]
    ) -> tuple[Floats, Floats, NDArray[np.uint8]]:
        source = self.source
        observation, reward, terminated, truncated, infos = source.env.step(
            source.actions.batch(actions)
        )
        rows = source.observations.rows(observation, self.count)
        ends = np.where(terminated, TERMINATED, np.where(truncated, TRUNCATED, RUNNING))
        self.given, self.ended = rows, ends != RUNNING
        if source.mode is AutoresetMode.SAME_STEP and self.ended.any():
            rows = rows.copy()
            for i in np.flatnonzero(self.ended).tolist():
                source.observations.row(_final(infos, i), rows[i])
        return rows, np.ascontiguousarray(reward, dtype=np.float32), ends.astype(np.uint8)

    def release(self) -> None:
        pass


def _final(infos: dict[str, Any], i: int) -> Any:
    """The last observation of environment `i`, in the places that Gymnasium 1.x has used."""
    for key in ("final_obs", "final_observation"):
        if key in infos:
            final = infos[key]
            if isinstance(final, dict):
                return {name: values[i] for name, values in final.items()}
            if isinstance(final, tuple):
                return tuple(values[i] for values in final)
            if final[i] is not None:
                return final[i]
    raise InputError(
        'the vector environment ended an episode without infos["final_obs"], which '
        "AutoresetMode.SAME_STEP asks for"
    )


def autoreset_mode(env: Any) -> AutoresetMode:
    """How a vector environment begins the next episode; Gymnasium's default where it says nothing.

    Raises:
        InputError: If it names an unknown mode.
    """
    mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode", AutoresetMode.NEXT_STEP)
    try:
        return AutoresetMode(getattr(mode, "value", mode))
    except ValueError:
        raise InputError(f"unknown autoreset_mode {mode!r} in the environment's metadata") from None


def is_envpool(env: Any) -> bool:
    """Whether this is an environment of EnvPool, which is a vector environment of its own kind."""
    return type(env).__module__.split(".")[0] == "envpool" or (
        hasattr(env, "async_reset") and hasattr(env, "recv") and hasattr(env, "all_env_ids")
    )


def is_vector(env: Any) -> bool:
    """Whether this is a vector environment."""
    return isinstance(env, VectorEnv) or is_envpool(env)


def source_of(env: Any, eval_env: EnvFactory | None = None) -> Source:
    """The source of `env`.

    Raises:
        InputError: If it is nothing that can be trained on, and why.
    """
    if is_vector(env):
        if eval_env is not None and not callable(eval_env):
            raise InputError(
                f"eval_env is {_described(eval_env)}: a function that makes a gymnasium.Env"
            )
        if eval_env is None and type(env) in (SyncVectorEnv, AsyncVectorEnv):
            eval_env = env.env_fns[0]
        return VectorSource(env, FactorySource(eval_env) if eval_env is not None else None)
    if isinstance(env, gymnasium.Env):
        raise InputError(
            "this is one environment, and training needs many: pass a function that makes it, as "
            'in `fpo.train(lambda: gymnasium.make("Pendulum-v1"))`'
        )
    if not callable(env):
        raise InputError(
            f"env is {_described(env)}: pass a task's name, the path of a task file, a function "
            "that makes a gymnasium.Env, or a gymnasium.vector.VectorEnv"
        )
    if eval_env is not None:
        raise InputError("eval_env belongs to a vector environment; a function makes both")
    return FactorySource(env)


def _time_limit(env: Any) -> int | None:
    """The steps of a `TimeLimit` among the wrappers."""
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            return int(env._max_episode_steps)
        env = env.env
    return None


def _described(value: object) -> str:
    return f"{type(value).__name__} {value!r}"[:80]
