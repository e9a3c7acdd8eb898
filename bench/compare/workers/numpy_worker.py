"""numpy: acting, in a straightforward implementation."""

import numpy as np
from protocol import Workload, serve
from safetensors.numpy import load_file

FLOW_STEPS, EMBEDDING, OUTPUT_SCALE = 10, 8, 0.25


def make(request: dict) -> Workload:
    rows, tensors = request["rows"], load_file(request["inputs"])
    count = sum(name.startswith("policy.") for name in tensors) // 2
    *hidden, last = (
        (tensors[f"policy.{i}.weight"], tensors[f"policy.{i}.bias"]) for i in range(count)
    )
    observations, noises = (tensors[f"act.{name}"][:rows] for name in ("observations", "noises"))
    angles = (1 - np.arange(FLOW_STEPS) / FLOW_STEPS)[:, None] * 2.0 ** np.arange(EMBEDDING // 2)
    embeddings = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    embeddings = np.repeat(embeddings[:, None], rows, axis=1)

    def call():
        x = noises
        for embedding in embeddings:
            y = np.concatenate([observations, x, embedding], axis=-1)
            for weight, bias in hidden:
                y = y @ weight + bias
                y = y / (1 + np.exp(-y))
            x = x - (y @ last[0] + last[1]) * np.float32(OUTPUT_SCALE / FLOW_STEPS)
        return x

    return Workload(call, {"actions": call().flatten().tolist()})


if __name__ == "__main__":
    serve(make)
