"""Gymnasium: a step of all environments of a vector environment. It cannot step only some of them,
so their episodes end at the same time; resets are cheap in its tasks."""

import gymnasium
import numpy as np
from protocol import Workload, serve
from safetensors.numpy import load_file
from stepping import COMPARED, summary


def make(request: dict) -> Workload:
    count, steps = request["envs"], request["steps"]
    env = gymnasium.make_vec(request["task"], num_envs=count, vectorization_mode=request["mode"])
    (width,) = env.single_action_space.shape
    table = load_file(request["inputs"])["step.actions"][:, :count, :width]
    done = 0

    def step():
        nonlocal done
        done += 1
        return env.step(table[done % len(table)])

    env.reset(seed=1)
    returns = np.zeros(count)
    for _ in range(COMPARED):
        observation, reward, *_ = step()
        returns += reward
    check = summary(observation, returns)

    def call():
        for _ in range(steps):
            step()

    return Workload(call, check, items=steps * count)


if __name__ == "__main__":
    serve(make)
