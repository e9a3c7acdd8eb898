"""Settings found by Optuna, which ends poor trials early. Needs optuna.

    python bindings/python/examples/optuna_sweep.py --trials 20
"""

from __future__ import annotations

import argparse
import math

import optuna

import fpo


def objective(trial: optuna.Trial, task: str, steps: int) -> float:
    config = {
        "optimizer.learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        "optimizer.epochs": trial.suggest_int("epochs", 2, 8),
        "advantage.gamma": trial.suggest_float("gamma", 0.97, 0.995),
        "eval.every": max(1, steps // 4),
    }

    def report(row: dict) -> bool:
        evaluated = row.get("eval/zero_noise", math.nan)
        if math.isfinite(evaluated):
            trial.report(evaluated, row["env_steps"])
        return not trial.should_prune()

    run = fpo.train(
        task,
        steps=steps,
        seed=trial.number,
        out="runs/sweep",
        name=f"trial{trial.number}",
        config=config,
        callback=report,
        force=True,
        progress=False,
    )
    if not run.finished:
        raise optuna.TrialPruned
    return float(run.metrics["eval/zero_noise"][-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cartpole-balance")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500_000)
    args = parser.parse_args()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(lambda trial: objective(trial, args.task, args.steps), n_trials=args.trials)
    print(f"best return {study.best_value:.1f} with {study.best_params}")
