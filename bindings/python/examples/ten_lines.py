"""An environment of ten lines, trained: `python bindings/python/examples/ten_lines.py`."""

import sys

import gymnasium
import numpy as np

import fpo


class Point(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-2.0, 2.0, (2,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.left = self.np_random.uniform(-1, 1, 2), 50  # position and target
        return self.state.astype(np.float32), {}

    def step(self, action):
        self.state[0], self.left = np.clip(self.state[0] + 0.1 * action[0], -2, 2), self.left - 1
        reward = float(np.exp(-3 * abs(self.state[0] - self.state[1])))
        return self.state.astype(np.float32), reward, False, self.left == 0, {}


if __name__ == "__main__":
    run = fpo.train(Point, steps=int(sys.argv[1]) if len(sys.argv) > 1 else 300_000, force=True)
    print(f"trained; the policy is in {run.folder}")
    print(fpo.evaluate(run, Point).zero_noise)
