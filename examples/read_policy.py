"""Reads a policy file and acts with it, with NumPy alone: docs/policy-format.md has every step.

    python3 examples/read_policy.py POLICY < LINES

Each line of input is JSON, [observation, noise]; zeros as noise give the deterministic action. Each
line of output is the action, in the task's units.
"""

import json
import struct
import sys

import numpy as np

ACTIVATIONS = {
    "silu": lambda z: z / (1 + np.exp(-np.clip(z, -87, 87))),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
}


class Policy:
    def __init__(self, path):
        with open(path, "rb") as file:
            raw = file.read()
        (size,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + size])
        self.head = json.loads(header.pop("__metadata__")["fpo_policy"])
        self.tensors = {
            name: np.frombuffer(raw[8 + size :][slice(*t["data_offsets"])], dtype)
            .reshape(t["shape"]).astype(np.float64)
            for name, t in header.items()
            for dtype in [{"F32": "<f4", "F64": "<f8"}[t["dtype"]]]
        }

    def network(self, x):
        last = len(self.head["network"]["hidden"])
        for i in range(last + 1):
            x = x @ self.tensors[f"policy.{i}.weight"] + self.tensors[f"policy.{i}.bias"]
            x = ACTIVATIONS[self.head["network"]["activation"]](x) if i < last else x
        return x

    def normalize(self, observation):
        settings, count = self.head["normalizer"], self.head["normalizer_count"]
        variance = self.tensors["normalizer.m2"] / max(count, 1)
        std = np.sqrt(np.maximum(variance, settings["variance_floor"])) if count else 1.0
        clip = settings["clip"] or np.inf
        return np.clip((observation - self.tensors["normalizer.mean"]) / std, -clip, clip)

    def velocity(self, o, x, t):
        angles = t * 2.0 ** np.arange(self.head["time_embedding"] // 2)
        inputs = np.concatenate([o, x, np.cos(angles), np.sin(angles)])
        return self.head["output_scale"] * self.network(inputs)

    def flow(self, o, noise):
        head, steps = self.head, self.head["flow_steps"]
        x, *noises = noise.reshape(-1, len(head["action"]["middle"]))
        h = -1 / steps
        for k in range(steps):  # from t = 1 to t = 0
            t, v = 1 - k / steps, lambda x, t: self.velocity(o, x, t)
            a = v(x, t)
            if head["sampler"] == "euler":
                x = x + h * a + (head["step_noise"] * noises[k] if noises else 0)
            elif head["sampler"] == "midpoint":
                x = x + h * v(x + h / 2 * a, t + h / 2)
            elif head["sampler"] == "heun":
                x = x + h / 2 * (a + v(x + h * a, t + h))
            else:  # rk4
                b = v(x + h / 2 * a, t + h / 2)
                c = v(x + h / 2 * b, t + h / 2)
                x = x + h / 6 * (a + 2 * b + 2 * c + v(x + h * c, t + h))
        return x

    def gaussian(self, o, noise):
        mean, s = np.split(self.network(o), 2)
        std = np.exp(s) if self.head["std"] == "state_independent" else np.logaddexp(0, s) + 1e-3
        return mean + std * noise

    def act(self, observation, noise):
        o, action = self.normalize(np.asarray(observation)), self.head["action"]
        x = getattr(self, self.head["kind"])(o, np.asarray(noise, dtype=np.float64))
        x = np.clip(x, -action["bound"], action["bound"]) if action["bound"] > 0 else x
        x = np.tanh(x) if action["squash"] == "tanh" else np.clip(x, -1, 1)
        return np.asarray(action["middle"]) + np.asarray(action["half_range"]) * x


if __name__ == "__main__":
    policy = Policy(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(policy.act(*json.loads(line)).tolist()))
