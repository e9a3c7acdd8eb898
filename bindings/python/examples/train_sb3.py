"""Stable-Baselines3's PPO on a task of fpo stepped in Rust. Needs stable_baselines3.

    python bindings/python/examples/train_sb3.py --task cartpole-balance
"""

from __future__ import annotations

import argparse

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import fpo
from fpo.sb3 import SB3VecEnv

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cartpole-balance")
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--envs", type=int, default=16)
    args = parser.parse_args()
    env = SB3VecEnv(fpo.make_vec(args.task, args.envs, seed=0))
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=256, gamma=0.99, seed=0, device="cpu")
    model.learn(args.steps)
    returns, lengths = evaluate_policy(
        model, SB3VecEnv(fpo.make_vec(args.task, 4, seed=1)), 4, return_episode_rewards=True
    )
    print(f"return {np.mean(returns):.1f} in {np.mean(lengths):.0f} steps")
