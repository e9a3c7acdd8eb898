"""HalfCheetah-v5 with the same PPO here and in Stable-Baselines3: where does the time go?

    python bindings/python/examples/compare_sb3.py

trains both on Gymnasium's own environment in Python, and tells the environment's own time (inside
`step` and `reset` of single environments, the same code for both) from all the rest: vectorizing,
acting, learning. Needs stable_baselines3 and gymnasium[mujoco].
"""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

import fpo

TASK = "HalfCheetah-v5"
STEPS, MINIBATCH, EPOCHS, HIDDEN = 128, 64, 10, [64, 64]


class Timed(gymnasium.Wrapper):
    """Adds up the time inside the environment, over all environments."""

    #: Seconds of the clock, and of the processor.
    inside = np.zeros(2)

    def step(self, action):
        start, used = time.perf_counter(), time.thread_time()
        result = self.env.step(action)
        Timed.inside += time.perf_counter() - start, time.thread_time() - used
        return result

    def reset(self, **arguments):
        start, used = time.perf_counter(), time.thread_time()
        result = self.env.reset(**arguments)
        Timed.inside += time.perf_counter() - start, time.thread_time() - used
        return result


def now() -> np.ndarray:
    """Seconds of the clock, and of the processor over all threads."""
    return np.array([time.perf_counter(), time.process_time()])


def make() -> gymnasium.Env:
    return Timed(gymnasium.make(TASK))


def with_fpo(envs: int, total: int, seed: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds in all and inside the environments, of the clock and of the processor."""
    clock: list[np.ndarray] = []

    def begin(row: dict) -> None:
        # The first iteration makes environments and buffers.
        if row["iteration"] == 1:
            Timed.inside[:] = 0.0
            clock.append(now())
        elif row["env_steps"] == total + envs * STEPS:
            clock.append(now())
            clock.append(Timed.inside.copy())

    fpo.train(
        SyncVectorEnv([make] * envs, autoreset_mode=AutoresetMode.SAME_STEP),
        preset="paper",
        # After one more iteration there is an evaluation.
        steps=total + 2 * envs * STEPS,
        seed=seed,
        threads=threads,
        out="runs/compare",
        force=True,
        progress=False,
        callback=begin,
        config={
            "objective.method": "ppo",
            "objective.clip": 0.2,
            "objective.entropy": 0.0,
            "env.num_steps": STEPS,
            "env.sequences": 1,
            "env.reward_scale": 1.0,
            "policy.hidden": HIDDEN,
            "policy.activation": "tanh",
            "policy.std": "state_independent",
            "policy.squash": "clip",
            "critic.hidden": HIDDEN,
            "critic.activation": "tanh",
            "critic.loss_coefficient": 0.5,
            "advantage.gamma": 0.99,
            "advantage.form": "textbook",
            "advantage.recompute": "per_iteration",
            "advantage.normalize": "minibatch",
            "optimizer.learning_rate": 3e-4,
            "optimizer.critic_learning_rate": 3e-4,
            "optimizer.epochs": EPOCHS,
            "optimizer.minibatches": envs * STEPS // MINIBATCH,
            "optimizer.max_grad_norm": 0.5,
            "normalizer.enabled": False,
            "eval.every": 0,
            "eval.episodes": 1,
            "train.checkpoint_every": 0,
            "train.precision": "f32",
        },
    )
    return clock[1] - clock[0], clock[2]


def with_sb3(envs: int, total: int, seed: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of Stable-Baselines3, whose defaults are the sizes above."""
    torch.set_num_threads(threads)
    model = PPO(
        "MlpPolicy",
        DummyVecEnv([make] * envs),
        n_steps=STEPS,
        batch_size=MINIBATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": HIDDEN, "activation_fn": torch.nn.Tanh},
        device="cpu",
        seed=seed,
    )
    model.learn(envs * STEPS)
    Timed.inside[:] = 0.0
    start = now()
    model.learn(total, reset_num_timesteps=False)
    return now() - start, Timed.inside.copy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=16 * STEPS * 8)
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    iteration = args.envs * STEPS
    total = -(-args.steps // iteration) * iteration
    rest: dict[str, list[np.ndarray]] = {"fpo": [], "Stable-Baselines3": []}
    print(f"µs a step, {total} steps, {args.envs} environments, {args.threads} threads:")
    print(f"{'':17}{'of the clock':>27}    {'of the processor':>27}")
    print(f"{'':17}{'all':>9}{'inside':>9}{'rest':>9}    {'all':>9}{'inside':>9}{'rest':>9}")
    for number in range(args.rounds):
        for name, contender in [("fpo", with_fpo), ("Stable-Baselines3", with_sb3)]:
            spent = contender(args.envs, total, number, args.threads)
            whole, inside = (1e6 * seconds / total for seconds in spent)
            rest[name].append(whole - inside)
            columns = np.stack([whole, inside, whole - inside], axis=1)
            texts = ["".join(f"{x:9.1f}" for x in row) for row in columns]
            print(f"{name:17}{'    '.join(texts)}")
    ours, theirs = (np.median(values, axis=0) for values in rest.values())
    for what, a, b in zip(["the clock", "the processor"], ours, theirs, strict=True):
        print(f"the rest of {what}, medians: {a:.1f} and {b:.1f}, 1/{b / a:.1f}")


if __name__ == "__main__":
    main()
