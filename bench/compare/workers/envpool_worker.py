"""EnvPool: a step of all environments, synchronously."""

import envpool
import numpy as np
from protocol import Workload, serve
from safetensors.numpy import load_file
from stepping import COMPARED, spread, summary


def flat(observation) -> np.ndarray:
    """Rows of dm_control's observation; that of EnvPool's humanoid also contains its position."""
    if not isinstance(observation, dict):
        return observation
    parts = {name: x.reshape(len(x), -1) for name, x in observation.items()}
    if "joint_angles" in parts:
        del parts["position"]
    return np.concatenate(list(parts.values()), axis=1)


def make(request: dict) -> Workload:
    count, steps = request["envs"], request["steps"]
    env = envpool.make(
        request["task"], "gymnasium", num_envs=count, num_threads=request["threads"], seed=1
    )
    (width,) = env.action_space.shape
    table = load_file(request["inputs"])["step.actions"][:, :count, :width].astype(
        env.action_space.dtype
    )
    done = 0

    def actions():
        nonlocal done
        done += 1
        return table[done % len(table)]

    env.reset()
    returns = np.zeros(count)
    for _ in range(COMPARED):
        observation, reward, *_ = env.step(actions())
        returns += reward
    check = summary(flat(observation), returns)
    if request["spread"]:
        for stepping in spread(count):
            env.step(actions()[stepping], stepping.astype(np.int32))

    def call():
        for _ in range(steps):
            env.step(actions())

    return Workload(call, check, items=steps * count)


if __name__ == "__main__":
    serve(make)
