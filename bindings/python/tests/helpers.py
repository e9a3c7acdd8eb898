"""Small environments whose returns can be computed by hand, and settings of small runs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

#: Networks and batches that train in a moment.
SMALL: dict[str, Any] = {
    "env.num_envs": 16,
    "env.num_steps": 16,
    "policy.hidden": [16, 16],
    "critic.hidden": [16, 16],
    "optimizer.minibatches": 4,
    "eval.episodes": 4,
    "train.precision": "f32",
}


class Counting(gymnasium.Env):
    """The k-th step of an episode rewards k and shows k; episodes have `length` steps, of which the
    last terminates or truncates: returns are length·(length + 1)/2."""

    def __init__(self, length: int = 3, terminates: bool = True) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.length, self.terminates, self.k = length, terminates, 0

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        self.k = 0
        return np.array([0.0], np.float32), {}

    def step(self, action):
        assert self.k < self.length, "stepped beyond its end"
        self.k += 1
        end = self.k == self.length
        observation = np.array([self.k], np.float32)
        return (
            observation,
            float(self.k),
            end and self.terminates,
            end and not self.terminates,
            {},
        )


class Fork(gymnasium.Env):
    """Episodes of one step, which are learned well only if a truncated episode is continued from
    its last observation.

    In state 1 (shown as 1) every action ends the episode with −6. In state 0 a positive action ends
    it with −1; a negative one gives 0 and truncates the episode in state 1, of value −6. With a
    discount of 0.5 the positive action is better: −1 > 0.5·(−6). Who takes truncation for
    termination (0) or the next episode's first observation for the last (it is state 0 in nine of
    ten: about −0.5) prefers the negative one.
    """

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.state = 0

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        self.state = int(self.np_random.random() < 0.1)
        return self._shown(self.state), {}

    def step(self, action):
        if self.state == 1:
            return self._shown(1), -6.0, True, False, {}
        if action[0] > 0:
            return self._shown(0), -1.0, True, False, {}
        return self._shown(1), 0.0, False, True, {}

    @staticmethod
    def _shown(state: int):
        return np.array([state], np.float32)


class Point(gymnasium.Env):
    """Ten lines: a point on a line is to come to its target."""

    observation_space = spaces.Box(-4.0, 4.0, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        self.x, self.target = self.np_random.uniform(-1, 1, 2)
        self.steps = 0
        return np.array([self.x, self.target], np.float32), {}

    def step(self, action):
        self.x = float(np.clip(self.x + 0.2 * action[0], -2, 2))
        self.steps += 1
        shown = np.array([self.x, self.target], np.float32)
        return shown, -abs(self.x - self.target), False, self.steps >= 20, {}
