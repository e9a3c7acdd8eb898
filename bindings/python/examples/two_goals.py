"""A point that may reach either of two goals: what a flow learns, and what a Gaussian does.

    python bindings/python/examples/two_goals.py two-goals.svg

trains both on an environment of this file and draws, for each, walks from the middle and actions
there. Needs matplotlib.
"""

from __future__ import annotations

import argparse

import gymnasium
import numpy as np
from gymnasium import spaces

import fpo

GOALS = np.array([[-1.0, 0.0], [1.0, 0.0]])
#: Steps of an episode, what the largest action moves the point by, and how near is near.
STEPS, SPEED, NEAR = 2, 0.6, 0.35


class TwoGoals(gymnasium.Env):
    """Two moves from the middle, and a reward for being near a goal, whichever it is."""

    observation_space = spaces.Box(-4.0, 4.0, (2,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.point = self.np_random.normal(0.0, 0.05, 2)
        self.steps = 0
        return self.point.astype(np.float32), {}

    def step(self, action):
        self.point = np.clip(self.point + SPEED * action, -2.0, 2.0)
        self.steps += 1
        end = self.steps == STEPS
        distance = np.linalg.norm(GOALS - self.point, axis=1).min()
        reward = float(np.exp(-((distance / NEAR) ** 2))) if end else 0.0
        return self.point.astype(np.float32), reward, end, False, {}


def walk(policy: fpo.Policy, walks: int, rng: np.random.Generator) -> np.ndarray:
    """Walks from the middle with random noise, `[STEPS + 1, walks, 2]`."""
    points = np.zeros((STEPS + 1, walks, 2))
    for k in range(STEPS):
        actions = policy.act(points[k], noise="random", rng=rng)
        points[k + 1] = np.clip(points[k] + SPEED * actions, -2.0, 2.0)
    return points


def share(policy: fpo.Policy) -> float:
    """The share of walks that end at the right goal."""
    return float((walk(policy, 1000, np.random.default_rng(1))[-1, :, 0] > 0).mean())


def draw(policies: dict[str, fpo.Policy], path: str) -> None:
    """One row a policy: walks on the left, actions in the middle on the right."""
    import matplotlib

    matplotlib.use("Agg")
    # The same bytes for the same data.
    matplotlib.rcParams["svg.hashsalt"] = "two goals"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(policies), 2, figsize=(8, 3.2 * len(policies)))
    for row, (name, policy) in zip(np.atleast_2d(axes), policies.items(), strict=True):
        rng = np.random.default_rng(0)
        walks = walk(policy, 60, rng)
        row[0].plot(walks[:, :, 0], walks[:, :, 1], color="tab:blue", alpha=0.35, linewidth=0.8)
        row[0].scatter(*GOALS.T, marker="*", s=160, color="tab:orange", zorder=3)
        row[0].set(xlim=(-1.6, 1.6), ylim=(-0.9, 0.9), aspect="equal")
        row[0].set_title(f"{name}: 60 walks; of 1000, {share(policy):.0%} go right", fontsize=10)
        actions = policy.sample([0.0, 0.0], 400, rng)
        row[1].scatter(*actions.T, s=6, alpha=0.5, color="tab:blue")
        row[1].set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        row[1].set_title(f"{name}: 400 actions in the middle", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", default="two-goals.svg")
    parser.add_argument("--steps", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/two-goals")
    args = parser.parse_args()
    policies = {}
    for name, preset in [("flow", "fast"), ("Gaussian", "ppo-fast")]:
        run = fpo.train(
            TwoGoals,
            preset,
            steps=args.steps,
            seed=args.seed,
            out=args.out,
            force=True,
            # Those of the small tasks of fpo (docs/notes/gridworld.md).
            config={
                "env.num_envs": 64,
                "objective.samples": 8,
                "optimizer.learning_rate": 5e-4,
                "optimizer.critic_learning_rate": 1e-3,
                "optimizer.epochs": 4,
            },
        )
        policies[name] = run.policy()
        found = fpo.evaluate(run, TwoGoals).random_noise
        print(f"{name}: return {found.mean:.2f} ± {found.std:.2f}, {share(run.policy()):.0%} right")
    draw(policies, args.picture)
    print(f"drawn: {args.picture}")


if __name__ == "__main__":
    main()
