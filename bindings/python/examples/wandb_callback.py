"""Metrics of a training to Weights & Biases. Needs wandb.

    WANDB_MODE=offline python bindings/python/examples/wandb_callback.py
"""

from __future__ import annotations

import argparse
import math

import wandb

import fpo


class Log:
    """A callback that logs every metric against environment steps."""

    def __init__(self, run: wandb.Run) -> None:
        self.run = run

    def __call__(self, row: dict) -> None:
        finite = {name: value for name, value in row.items() if math.isfinite(value)}
        self.run.log(finite, step=row["env_steps"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cartpole-balance")
    parser.add_argument("--steps", type=int, default=500_000)
    args = parser.parse_args()
    with wandb.init(project="fpo", name=args.task) as logged:
        run = fpo.train(args.task, steps=args.steps, callback=Log(logged), force=True)
        logged.config.update(run.config)
        logged.save(str(run.checkpoints[-1].path / "policy.safetensors"), policy="now")
    print(run)
