"""PPO in one file, in the manner of CleanRL, on a task of fpo stepped in Rust. Needs NumPy alone.

    python bindings/python/examples/cleanrl_style.py --task cartpole-balance

The loop is that of a script of CleanRL for vector environments of Gymnasium 1.x with
`AutoresetMode.SAME_STEP`; networks and gradients are written out in place of PyTorch's.
"""

from __future__ import annotations

import argparse

import numpy as np

import fpo

HIDDEN, LEARNING_RATE, GAMMA, LAMBDA, CLIP = 64, 1e-3, 0.99, 0.95, 0.2
NUM_STEPS, EPOCHS, MINIBATCHES = 64, 8, 8


class Network:
    """Two layers of tanh; gradients by hand, steps by Adam."""

    def __init__(self, sizes: list[int], last: float, rng: np.random.Generator, extra: int = 0):
        scales = [2**0.5] * (len(sizes) - 2) + [last]
        self.parameters = []
        for fan_in, fan_out, scale in zip(sizes, sizes[1:], scales, strict=False):
            weight = np.linalg.qr(rng.standard_normal((max(fan_in, fan_out),) * 2))[0]
            self.parameters += [scale * weight[:fan_in, :fan_out], np.zeros(fan_out)]
        #: Parameters beside the layers: logarithms of standard deviations.
        self.extra = np.zeros(extra)
        self.parameters.append(self.extra)
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        self.steps = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.inputs = [x]
        layers = self.parameters[:-1]
        for weight, bias in zip(layers[::2], layers[1::2], strict=True):
            x = x @ weight + bias
            if weight is not layers[-2]:
                x = np.tanh(x)
                self.inputs.append(x)
        return x

    def learn(self, of_output: np.ndarray, of_extra: np.ndarray | float = 0.0) -> None:
        """A step of Adam, where the loss has these derivatives by the latest output and `extra`."""
        gradients = [np.broadcast_to(of_extra, self.extra.shape)]
        d = of_output
        for k in reversed(range(len(self.inputs))):
            gradients = [self.inputs[k].T @ d, d.sum(axis=0), *gradients]
            if k > 0:
                d = (d @ self.parameters[2 * k].T) * (1.0 - self.inputs[k] ** 2)
        norm = np.sqrt(sum(float((g**2).sum()) for g in gradients))
        self.steps += 1
        for p, g, (m, v) in zip(self.parameters, gradients, self.moments, strict=True):
            g = g * min(1.0, 0.5 / (norm + 1e-8))
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            unbiased = m / (1 - 0.9**self.steps), v / (1 - 0.999**self.steps)
            p -= LEARNING_RATE * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="cartpole-balance")
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)

    envs = fpo.make_vec(args.task, args.envs, seed=args.seed)
    observed = envs.single_observation_space.shape[0]
    acted = envs.single_action_space.shape[0]
    actor = Network([observed, HIDDEN, HIDDEN, acted], 0.01, rng, extra=acted)
    critic = Network([observed, HIDDEN, HIDDEN, 1], 1.0, rng)

    shape = (NUM_STEPS, args.envs)
    obs = np.zeros((*shape, observed))
    actions, logprobs = np.zeros((*shape, acted)), np.zeros(shape)
    rewards, dones, values, next_values = (np.zeros(shape) for _ in range(4))
    returns_now, finished = np.zeros(args.envs), []

    next_obs, _ = envs.reset(seed=args.seed)
    for iteration in range(max(1, args.steps // (NUM_STEPS * args.envs))):
        for step in range(NUM_STEPS):
            obs[step] = next_obs
            noise = rng.standard_normal((args.envs, acted))
            actions[step] = actor(next_obs) + np.exp(actor.extra) * noise
            logprobs[step] = (-0.5 * noise**2 - actor.extra).sum(axis=1)
            values[step] = critic(next_obs)[:, 0]

            next_obs, rewards[step], terminated, truncated, infos = envs.step(actions[step])

            dones[step] = terminated | truncated
            next_values[step] = critic(next_obs)[:, 0]
            returns_now += rewards[step]
            if "final_obs" in infos:
                # The next observation is the first of another episode: this one ended elsewhere.
                ended = np.flatnonzero(infos["_final_obs"])
                last = critic(np.stack(infos["final_obs"][ended]))[:, 0]
                next_values[step, ended] = np.where(terminated[ended], 0.0, last)
                finished += returns_now[ended].tolist()
                returns_now[ended] = 0.0

        advantages, following = np.zeros(shape), np.zeros(args.envs)
        for step in reversed(range(NUM_STEPS)):
            delta = rewards[step] + GAMMA * next_values[step] - values[step]
            following = delta + GAMMA * LAMBDA * (1 - dones[step]) * following
            advantages[step] = following
        columns = (obs, actions, logprobs, advantages, advantages + values)
        flat = [column.reshape(-1, *column.shape[2:]) for column in columns]

        for _ in range(EPOCHS):
            for part in np.array_split(rng.permutation(len(flat[0])), MINIBATCHES):
                b_obs, b_actions, b_logprobs, b_advantages, b_returns = (x[part] for x in flat)
                b_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
                std = np.exp(actor.extra)
                z = (b_actions - actor(b_obs)) / std
                ratio = np.exp((-0.5 * z**2 - actor.extra).sum(axis=1) - b_logprobs)
                # max(−A·ρ, −A·clip(ρ)) has no slope where the clipped one is larger.
                low, high = 1 - CLIP, 1 + CLIP
                clipped = np.where(b_advantages > 0, ratio > high, ratio < low)
                by_log_ratio = (np.where(clipped, 0.0, -b_advantages * ratio) / len(part))[:, None]
                actor.learn(by_log_ratio * z / std, (by_log_ratio * (z**2 - 1)).sum(axis=0))
                critic.learn((critic(b_obs) - b_returns[:, None]) / len(part))

        if finished and iteration % 10 == 9:
            done = (iteration + 1) * NUM_STEPS * args.envs
            print(f"{done:9,} steps  return {np.mean(finished[-args.envs :]):8.1f}")
    envs.close()


if __name__ == "__main__":
    main()
