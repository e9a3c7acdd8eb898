"""Computes the trajectories of Gymnasium's tasks in this folder.

    pip install gymnasium==1.4.0 mujoco==3.17.0 && python gymnasium_trajectories.py
"""

import json
import struct
from pathlib import Path

import gymnasium
import mujoco
import numpy as np

STEPS = 220
# Name, and sizes of position and velocity in an observation.
TASKS = [("HalfCheetah-v5", 8, 9), ("Hopper-v5", 5, 6), ("Walker2d-v5", 8, 9)]


def trajectory(name: str, seed: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of an episode with random actions, which continues where a fall would
    have ended it."""
    made = gymnasium.make(name)
    env = made.unwrapped
    data = env.data
    # Numbers that are exact in f32, as f64: the actions of a policy, without rounding before the
    # reward.
    random = np.random.default_rng(seed)
    actions = random.uniform(-1, 1, (STEPS, env.action_space.shape[0]))
    actions = actions.astype(np.float32).astype(np.float64)

    observations = [env.reset(seed=seed)[0]]
    state = [(data.qpos.copy(), data.qvel.copy())]
    first = {"qacc_warmstart": data.qacc_warmstart.copy(), "time": np.array([data.time])}
    rewards, terminal = [], []
    for action in actions:
        observation, reward, terminated, _, _ = env.step(action)
        observations.append(observation)
        state.append((data.qpos.copy(), data.qvel.copy()))
        rewards.append(reward)
        terminal.append(float(terminated))
    tensors = {
        "action": actions,
        "observation": np.array(observations),
        "qpos": np.array([qpos for qpos, _ in state]),
        "qvel": np.array([qvel for _, qvel in state]),
        "reward": np.array(rewards),
        "terminal": np.array(terminal),
        **first,
    }
    metadata = {
        "task": name,
        "seed": str(seed),
        "gymnasium": gymnasium.__version__,
        "mujoco": mujoco.__version__,
        "action_minimum": str(env.action_space.low.tolist()),
        "action_maximum": str(env.action_space.high.tolist()),
        "control_timestep": str(env.dt),
        "step_limit": str(float(made.spec.max_episode_steps)),
    }
    return tensors, metadata


def save(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Writes a safetensors file of f64 tensors."""
    header: dict = {"__metadata__": metadata}
    end = 0
    for name, tensor in sorted(tensors.items()):
        start, end = end, end + 8 * tensor.size
        header[name] = {"dtype": "F64", "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    values = b"".join(tensor.astype("<f8").tobytes() for _, tensor in sorted(tensors.items()))
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


for name, position, velocity in TASKS:
    tensors, metadata = trajectory(name, seed=0)
    metadata["observations"] = json.dumps([["position", position], ["velocity", velocity]])
    assert tensors["observation"].shape[1] == position + velocity
    save(Path(__file__).parent / f"{name}-0.safetensors", tensors, metadata)
    falls = np.flatnonzero(tensors["terminal"])
    fastest = np.abs(tensors["qvel"]).max()
    fall = falls[0] if len(falls) else "none"
    print(f"{name}: first fall at {fall}, fastest coordinate {fastest:.1f}")
