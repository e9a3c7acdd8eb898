"""JAX: the update and acting, jitted, in f32."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from protocol import Workload, serve
from safetensors.numpy import load_file

CLIP, VALUE_COEFFICIENT, GAMMA, LAMBDA, OUTPUT_SCALE = 0.05, 0.25, 0.995, 0.95, 0.25
RATE, BETA1, BETA2, EPS = 3e-4, 0.9, 0.999, 1e-8
FLOW_STEPS, EMBEDDING = 10, 8
TERMINAL, TRUNCATED = 1, 2


def parameters(tensors: dict, prefix: str) -> list[tuple[jax.Array, jax.Array]]:
    """Weights (in, out) and biases of the layers under `prefix`."""
    layers = []
    while (name := f"{prefix}.{len(layers)}") + ".weight" in tensors:
        layers.append(
            (jnp.asarray(tensors[f"{name}.weight"]), jnp.asarray(tensors[f"{name}.bias"]))
        )
    return layers


def mlp(layers, x):
    """The network's output for rows `x`."""
    for weight, bias in layers[:-1]:
        x = jax.nn.silu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def advantages_and_targets(rewards, values, follow):
    """Brax's generalized advantages: `rewards` and `follow` [S, T], `values` [S, T + 1]."""
    goes_on = jnp.where(follow == TERMINAL, 0.0, GAMMA)
    counts = jnp.where(follow == TRUNCATED, 0.0, 1.0)
    delta = (rewards + goes_on * values[:, 1:] - values[:, :-1]) * counts

    def back(trace, step):
        delta, decay = step
        trace = delta + decay * trace
        return trace, trace

    decay = goes_on * counts * LAMBDA
    _, traces = lax.scan(back, jnp.zeros_like(rewards[:, 0]), (delta.T, decay.T), reverse=True)
    targets = traces.T + values[:, :-1]
    following = jnp.concatenate([targets[:, 1:], values[:, -1:]], axis=1)
    advantages = (rewards + goes_on * following - values[:, :-1]) * counts
    return lax.stop_gradient((advantages, targets, counts))


def losses(networks, batch):
    """The sum of both losses, and both losses."""
    values = mlp(networks["critic"], batch["observations"])[..., 0]
    advantages, targets, counts = advantages_and_targets(batch["rewards"], values, batch["follow"])
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    value_loss = VALUE_COEFFICIENT * jnp.mean(((targets - values[:, :-1]) * counts) ** 2)

    pair_inputs, noises, t = batch["pair_inputs"], batch["noises"], batch["times"][..., None]
    seen = batch["observations"][:, :-1, None]
    seen = jnp.broadcast_to(seen, (*pair_inputs.shape[:-1], seen.shape[-1]))
    velocity = OUTPUT_SCALE * mlp(networks["policy"], jnp.concatenate([seen, pair_inputs], axis=-1))
    point = pair_inputs[..., : noises.shape[-1]]
    cfm = jnp.mean((point + (1 - t) * velocity - noises) ** 2, axis=-1)
    ratio = jnp.exp(jnp.mean(batch["old_losses"] - cfm, axis=-1))
    clipped = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
    policy_loss = -jnp.mean(jnp.minimum(ratio * advantages, clipped * advantages))
    return policy_loss + value_loss, (policy_loss, value_loss)


def adam(networks, moments, gradient):
    """One step of Adam."""
    step = moments["step"] + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, moments["first"], gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, moments["second"], gradient)
    scale = RATE / (1 - BETA1**step)
    root = 1 / jnp.sqrt(1 - BETA2**step)
    networks = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v) * root + EPS), networks, first, second
    )
    return networks, {"step": step, "first": first, "second": second}


@partial(jax.jit, donate_argnums=(0, 1))
def gradient_step(networks, moments, batch):
    """Networks and moments after a step, and the losses before it."""
    gradient, values = jax.grad(losses, has_aux=True)(networks, batch)
    return *adam(networks, moments, gradient), values


def norms(name: str, networks) -> dict[str, float]:
    """The norm over each network."""
    squares = {
        network: sum(jnp.sum(x**2) for x in jax.tree.leaves(layers))
        for network, layers in networks.items()
    }
    return {f"{network} {name}": float(jnp.sqrt(square)) for network, square in squares.items()}


def update(request: dict, tensors: dict) -> Workload:
    """One gradient step at the published sizes."""
    networks = {name: parameters(tensors, name) for name in ("policy", "critic")}
    batch = {
        name.removeprefix("update."): jnp.asarray(x)
        for name, x in tensors.items()
        if name.startswith("update.")
    }
    check = norms("gradient", jax.jit(jax.grad(losses, has_aux=True))(networks, batch)[0])
    zeros = partial(jax.tree.map, jnp.zeros_like, networks)
    state = [jax.tree.map(jnp.copy, networks), {"step": 0, "first": zeros(), "second": zeros()}]

    def call():
        *state[:], values = gradient_step(*state, batch)
        return [float(value) for value in values]

    check |= dict(zip(("policy loss", "value loss"), call(), strict=True))
    call(), call()
    check |= norms("change in three updates", jax.tree.map(jnp.subtract, state[0], networks))
    return Workload(call, check)


@jax.jit
def flow(layers, observations, x):
    """Actions from noise by Euler's rule."""

    def step(k, x):
        angles = (1 - k / FLOW_STEPS) * 2.0 ** jnp.arange(EMBEDDING // 2)
        embedding = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)])
        embedding = jnp.broadcast_to(embedding, (len(x), EMBEDDING))
        velocity = OUTPUT_SCALE * mlp(
            layers, jnp.concatenate([observations, x, embedding], axis=-1)
        )
        return x - velocity / FLOW_STEPS

    return lax.fori_loop(0, FLOW_STEPS, step, x)


def act(request: dict, tensors: dict) -> Workload:
    """Actions from noise."""
    rows = request["rows"]
    layers = parameters(tensors, "policy")
    observations, noises = (
        jnp.asarray(tensors[f"act.{name}"][:rows]) for name in ("observations", "noises")
    )

    def call():
        return flow(layers, observations, noises).block_until_ready()

    return Workload(call, {"actions": call().flatten().tolist()})


def make(request: dict) -> Workload:
    return {"update": update, "act": act}[request["work"]](request, load_file(request["inputs"]))


if __name__ == "__main__":
    serve(make)
