"""PyTorch: the update and acting, eager or compiled, in f32 or with bf16 by autocast."""

import torch
from protocol import Unavailable, Workload, serve
from safetensors.torch import load_file
from torch import nn

CLIP, VALUE_COEFFICIENT, GAMMA, LAMBDA, OUTPUT_SCALE = 0.05, 0.25, 0.995, 0.95, 0.25
FLOW_STEPS, EMBEDDING = 10, 8
TERMINAL, TRUNCATED = 1, 2


def network(tensors: dict[str, torch.Tensor], prefix: str) -> nn.Sequential:
    """The multi-layer perceptron with the (in, out) weights under `prefix`."""
    layers = []
    while (name := f"{prefix}.{len(layers) // 2}") + ".weight" in tensors:
        weight = tensors[f"{name}.weight"]
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(tensors[f"{name}.bias"])
        layers += [linear, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def advantages_and_targets(rewards, values, follow):
    """Brax's generalized advantages: `rewards` and `follow` [S, T], `values` [S, T + 1]."""
    goes_on = (follow != TERMINAL).float() * GAMMA
    counts = (follow != TRUNCATED).float()
    delta = (rewards + goes_on * values[:, 1:] - values[:, :-1]) * counts
    decay = goes_on * counts * LAMBDA
    trace, traces = torch.zeros_like(rewards[:, 0]), []
    for t in reversed(range(rewards.shape[1])):
        trace = delta[:, t] + decay[:, t] * trace
        traces.append(trace)
    targets = torch.stack(traces[::-1], dim=1) + values[:, :-1]
    following = torch.cat([targets[:, 1:], values[:, -1:]], dim=1)
    return (rewards + goes_on * following - values[:, :-1]) * counts, targets, counts


def losses(policy, critic, batch, bf16):
    """The losses of the policy and the critic."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        values = critic(batch["observations"]).squeeze(-1).float()
    with torch.no_grad():
        advantages, targets, counts = advantages_and_targets(
            batch["rewards"], values, batch["follow"]
        )
        advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
    value_loss = VALUE_COEFFICIENT * torch.mean(((targets - values[:, :-1]) * counts) ** 2)

    pair_inputs, noises, t = batch["pair_inputs"], batch["noises"], batch["times"].unsqueeze(-1)
    seen = batch["observations"][:, :-1, None].expand(-1, -1, pair_inputs.shape[2], -1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        velocity = policy(torch.cat([seen, pair_inputs], dim=-1)).float() * OUTPUT_SCALE
    point = pair_inputs[..., : noises.shape[-1]]
    cfm = ((point + (1 - t) * velocity - noises) ** 2).mean(-1)
    ratio = (batch["old_losses"] - cfm).mean(-1).exp()
    clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
    policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).mean()
    return policy_loss, value_loss


def norm(tensors) -> float:
    """The global norm."""
    return torch.stack([x.detach().norm() for x in tensors]).norm().item()


def update(request: dict, tensors: dict[str, torch.Tensor]) -> Workload:
    """One gradient step at the published sizes."""
    compiled, bf16 = request["compiled"], request["precision"] == "bf16"
    policy, critic = network(tensors, "policy"), network(tensors, "critic")
    parameters = [*policy.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-4, fused=True)
    batch = {
        name.removeprefix("update."): x for name, x in tensors.items() if name.startswith("update.")
    }
    evaluate = torch.compile(losses) if compiled else losses

    def call():
        optimizer.zero_grad()
        policy_loss, value_loss = evaluate(policy, critic, batch, bf16)
        (policy_loss + value_loss).backward()
        optimizer.step()
        return policy_loss.item(), value_loss.item()

    def norms(prefix, tensors_of):
        networks = {"policy": policy, "critic": critic}
        return {f"{name} {prefix}": norm(tensors_of(network)) for name, network in networks.items()}

    start = {id(p): p.detach().clone() for p in parameters}
    check = dict(zip(("policy loss", "value loss"), call(), strict=True))
    check |= norms("gradient", lambda network: [p.grad for p in network.parameters()])
    call(), call()
    check |= norms(
        "change in three updates", lambda network: [p - start[id(p)] for p in network.parameters()]
    )
    return Workload(call, check)


def act(request: dict, tensors: dict[str, torch.Tensor]) -> Workload:
    """Actions from noise by Euler's rule."""
    rows = request["rows"]
    policy = network(tensors, "policy")
    observations, noises = tensors["act.observations"][:rows], tensors["act.noises"][:rows]
    times = 1 - torch.arange(FLOW_STEPS) / FLOW_STEPS
    angles = times[:, None] * 2.0 ** torch.arange(EMBEDDING // 2)
    embeddings = torch.cat([angles.cos(), angles.sin()], dim=-1)[:, None].expand(-1, rows, -1)

    def flow(observations, x):
        for embedding in embeddings:
            x = x - policy(torch.cat([observations, x, embedding], dim=-1)) * (
                OUTPUT_SCALE / FLOW_STEPS
            )
        return x

    if request["compiled"]:
        flow = torch.compile(flow)

    def call():
        with torch.inference_mode():
            return flow(observations, noises)

    return Workload(call, {"actions": call().flatten().tolist()})


def make(request: dict) -> Workload:
    torch.set_num_threads(request["threads"])
    tensors = load_file(request["inputs"])
    try:
        return {"update": update, "act": act}[request["work"]](request, tensors)
    except torch._dynamo.exc.TorchDynamoException as reason:
        raise Unavailable(f"torch.compile failed: {str(reason).splitlines()[0]}") from reason


if __name__ == "__main__":
    serve(make)
