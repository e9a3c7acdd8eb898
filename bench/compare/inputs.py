"""The inputs of all contenders: parameters of both networks, one minibatch, observations and noises
to act on, and actions for the environments. A safetensors file, from which each worker reads the
tensors that it needs."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SEQUENCES, STEPS, PAIRS = 1024, 30, 8
OBSERVATION, ACTION, EMBEDDING = 17, 6, 8
POLICY = [OBSERVATION + ACTION + EMBEDDING, 32, 32, 32, 32, ACTION]
CRITIC = [OBSERVATION, 256, 256, 256, 256, 256, 1]
FLOW_STEPS = 10
OUTPUT_SCALE = 0.25

#: Rows per batch of actions.
ACTING = 2048
#: Environments to step, and rounds of precomputed actions; the widest task (humanoid) has 21
#: entries.
ENVIRONMENTS, ROUNDS, WIDEST_ACTION = 256, 64, 21

#: How a step ended: the episode continues, terminal state, time limit.
NEXT, TERMINAL, TRUNCATED = 0, 1, 2


def network(rng: np.random.Generator, prefix: str, widths: list[int]) -> dict[str, np.ndarray]:
    """Weights (in, out) by LeCun's uniform rule; non-zero biases, so that a missing one is
    noticed."""
    tensors = {}
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        bound = np.sqrt(3 / inputs)
        tensors[f"{prefix}.{i}.weight"] = rng.uniform(-bound, bound, (inputs, outputs))
        tensors[f"{prefix}.{i}.bias"] = rng.uniform(-0.05, 0.05, outputs)
    return tensors


def mlp(tensors: dict[str, np.ndarray], prefix: str, x: np.ndarray) -> np.ndarray:
    """The network's output for rows `x`."""
    layers = sum(name.startswith(f"{prefix}.") and name.endswith("weight") for name in tensors)
    for i in range(layers):
        x = x @ tensors[f"{prefix}.{i}.weight"] + tensors[f"{prefix}.{i}.bias"]
        if i < layers - 1:
            x = x / (1 + np.exp(-x))
    return x


def embed(t: np.ndarray) -> np.ndarray:
    """[cos(2^k t), …, sin(2^k t), …] along a new last axis."""
    angles = np.asarray(t)[..., None] * 2.0 ** np.arange(EMBEDDING // 2)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)


def minibatch(rng: np.random.Generator, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One minibatch of the published sizes. The stored losses differ from the current ones as if
    the policy had changed, so that some ratios are clipped; 1 % of the steps are terminal, and 1 %
    are truncated."""
    shape = (SEQUENCES, STEPS)
    observations = rng.standard_normal((SEQUENCES, STEPS + 1, OBSERVATION))
    actions = rng.standard_normal((*shape, ACTION))
    noises = rng.standard_normal((*shape, PAIRS, ACTION))
    times = (1 + rng.integers(0, FLOW_STEPS, (*shape, PAIRS))) / FLOW_STEPS
    t = times[..., None]
    points = t * noises + (1 - t) * actions[:, :, None]
    pair_inputs = np.concatenate([points, embed(times)], axis=-1)

    seen = np.broadcast_to(observations[:, :-1, None], (*shape, PAIRS, OBSERVATION))
    velocity = OUTPUT_SCALE * mlp(tensors, "policy", np.concatenate([seen, pair_inputs], axis=-1))
    losses = np.mean((points + (1 - t) * velocity - noises) ** 2, axis=-1)
    moved = 0.1 * rng.standard_normal((*shape, 1)) + 0.1 * rng.standard_normal((*shape, PAIRS))
    return {
        "observations": observations,
        "actions": actions,
        "rewards": rng.standard_normal(shape),
        "follow": rng.choice([NEXT, TERMINAL, TRUNCATED], shape, p=[0.98, 0.01, 0.01]).astype(
            np.uint8
        ),
        "noises": noises,
        "times": times,
        "pair_inputs": pair_inputs,
        "old_losses": losses + moved,
    }


def write(path: Path) -> None:
    """Writes the file, deterministically."""
    rng = np.random.default_rng(20250721)
    tensors = network(rng, "policy", POLICY) | network(rng, "critic", CRITIC)
    tensors |= {f"update.{name}": array for name, array in minibatch(rng, tensors).items()}
    tensors["act.observations"] = rng.standard_normal((ACTING, OBSERVATION))
    tensors["act.noises"] = rng.standard_normal((ACTING, ACTION))
    tensors["step.actions"] = rng.uniform(-1, 1, (ROUNDS, ENVIRONMENTS, WIDEST_ACTION))
    as_f32 = {
        name: np.ascontiguousarray(array, np.uint8 if array.dtype == np.uint8 else np.float32)
        for name, array in tensors.items()
    }
    save_file(as_f32, path)
