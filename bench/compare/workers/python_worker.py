"""This project's Python package: acting from a policy file."""

import subprocess
import tempfile

import fpo
from protocol import Workload, serve
from safetensors.numpy import load_file


def make(request: dict) -> Workload:
    tensors = load_file(request["inputs"])
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        subprocess.run([request["exporter"], "export", request["inputs"], file.name], check=True)
        policy = fpo.Policy.load(file.name)
    observation, noise = (tensors[f"act.{name}"][:1] for name in ("observations", "noises"))

    def call():
        return policy.act(observation, noise)

    return Workload(call, {"actions": call().flatten().tolist()})


if __name__ == "__main__":
    serve(make)
