"""fpo's environments for Stable-Baselines3, which has vector environments of its own kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from .envs import FpoVectorEnv


class SB3VecEnv(VecEnv):  # type: ignore[misc]
    """`SB3VecEnv(fpo.make_vec("cheetah-run", 16))` as the `env` of a Stable-Baselines3 model."""

    def __init__(self, env: FpoVectorEnv) -> None:
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.env = env
        self._actions: Any = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)

    def reset(self) -> Any:
        """Begins new episodes."""
        # `seed` of the base class keeps a seed for each environment; ours has one for all.
        seed = self._seeds[0]
        self._reset_seeds()
        self._returns[:], self._lengths[:] = 0.0, 0
        return self.env.reset(seed=seed)[0]

    def step_async(self, actions: Any) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Steps all environments."""
        observations, rewards, terminated, truncated, given = self.env.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        done = terminated | truncated
        for i in np.flatnonzero(done).tolist():
            infos[i] = {
                "terminal_observation": given["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i]), "t": 0.0},
            }
        self._returns[done], self._lengths[done] = 0.0, 0
        return observations, rewards, done, infos

    def close(self) -> None:
        """Closes the environments."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the vector environment, once for each environment."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not possible: single environments are not Python objects."""
        raise NotImplementedError("environments of fpo have no attributes of their own")

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Not possible: single environments are not Python objects."""
        raise NotImplementedError("environments of fpo have no methods of their own")

    def env_is_wrapped(
        self, wrapper_class: Any, indices: None | int | Iterable[int] = None
    ) -> Sequence[bool]:
        """No environment is wrapped."""
        return [False for _ in self._get_indices(indices)]
