"""Quick start, cell by cell: open it as a notebook, or run it as it is."""

# %% An environment: Gymnasium's, or one of your own (see ten_lines.py).
import argparse

import gymnasium

import fpo

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300_000)
STEPS = parser.parse_known_args()[0].steps


def make() -> gymnasium.Env:
    return gymnasium.make("Pendulum-v1")


# %% Train, with settings for a small environment in Python. Ctrl-C (or the notebook's stop button)
# saves and returns.
run = fpo.train(
    make,
    steps=STEPS,
    config={
        "env.num_envs": 16,
        "env.num_steps": 128,
        "env.reward_scale": 0.1,
        "advantage.gamma": 0.9,
    },
    force=True,
)
print(run)

# %% Look at the metrics.
metrics = run.metrics
for steps, returned in list(zip(metrics["env_steps"], metrics["episode_return"]))[::8]:
    print(f"{steps:9,.0f} steps  return {returned:8.1f}")

# %% Act.
policy = run.policy()
env = make()
observation, _ = env.reset(seed=0)
total, done = 0.0, False
while not done:
    observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
    total += float(reward)
    done = terminated or truncated
print(f"one episode: {total:.1f}")

# %% Evaluate on whole episodes, from zero noise (deterministic) and from random noise.
print(fpo.evaluate(run, make))

# %% Write a page about the run.
print(f"open {run.report()}")
