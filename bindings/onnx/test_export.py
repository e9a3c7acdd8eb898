"""ONNX Runtime acts as the policies do whose files `fpo export --onnx` writes, which is what Rust,
C and C++ do (bindings/c/tests). Every kind of policy, 10,000 observations each."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from library import PROGRAM, Policy, fpo

ROWS = 10_000
#: Largest difference of an action, as a fraction of half of its range.
TOLERANCE = 1e-5

TASKS = ["cartpole-balance", "cheetah-run", "fish-swim", "Hopper-v5", "bandit-two_modes"]
METHODS = ["fpo", "ppo", "dppo", "awfm", "qfm", "reppo"]

#: Settings of a run of a fraction of a second.
TINY = {
    "env.num_envs": 16,
    "env.num_steps": 8,
    "optimizer.minibatches": 4,
    "optimizer.epochs": 2,
    "policy.hidden": "32,32",
    "critic.hidden": "16",
    "eval.episodes": 1,
    "train.steps": 1280,
}

#: Other networks, samplers and maps, on one task: method and settings.
SETTINGS = [
    *[("fpo", {"policy.sampler": sampler}) for sampler in ("midpoint", "heun", "rk4")],
    *[("fpo", {"policy.activation": name}) for name in ("elu", "relu", "tanh")],
    ("fpo", {"policy.squash": "clip", "policy.action_bound": 0}),
    ("fpo", {"policy.squash": "clip", "policy.action_bound": 0.5}),
    ("fpo", {"policy.flow_steps": 1}),
    ("fpo", {"policy.flow_steps": 64, "policy.time_embedding": 2}),
    ("fpo", {"policy.hidden": 256, "policy.output_scale": 4}),
    ("fpo", {"normalizer.enabled": "false"}),
    ("dppo", {"policy.squash": "clip", "policy.activation": "elu"}),
    ("ppo", {"policy.std": "state_dependent"}),
    ("ppo", {"policy.std": "state_independent", "policy.squash": "clip"}),
    ("ppo", {"policy.activation": "tanh", "policy.action_bound": 1}),
]

CASES = [
    *[(task, method, {}) for task in TASKS for method in METHODS],
    *[("cheetah-run", method, settings) for method, settings in SETTINGS],
    # Half a minute of training would do more, but a few seconds make weights that are not random.
    ("cartpole-balance", "fpo", {"train.steps": 100_000, "env.num_envs": 64}),
]


def train(folder: Path, task: str, method: str, settings: dict) -> Path:
    """The folder of a tiny run."""
    settings = TINY | {"objective.method": method} | settings
    sets = [x for key, value in settings.items() for x in ("--set", f"{key}={value}")]
    fpo(folder, "train", task, "--name", "run", *sets)
    return folder / "runs" / "run"


def session(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs(shown: dict, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Observations of twice the spread of those seen in training, and noise."""
    rng = np.random.default_rng(seed)
    seen = shown["normalizer"]
    observation = rng.standard_normal((ROWS, shown["observation_size"]))
    # A bandit sees the same number always.
    observation = np.array(seen["mean"]) + 2 * np.maximum(seen["std"], 0.05) * observation
    noise = rng.standard_normal((ROWS, shown["noise_size"]))
    return observation.astype(np.float32), noise.astype(np.float32)


@pytest.mark.parametrize(("task", "method", "settings"), CASES)
def test_actions_are_those_of_the_policy(tmp_path, task, method, settings):
    run = train(tmp_path, task, method, settings)
    shown = json.loads(fpo(tmp_path, "policy", "show", "runs/run", "--json"))
    policy = Policy(Path(tmp_path, shown["policy"], "policy.safetensors"), ROWS)
    sizes = [shown[f"{size}_size"] for size in ("observation", "noise", "action")]
    assert [policy.observation, policy.noise, policy.action] == sizes
    half = np.subtract(shown["action_map"]["max"], shown["action_map"]["min"]) / 2

    fpo(tmp_path, "export", "runs/run", "--onnx")
    fpo(tmp_path, "export", "runs/run", "--onnx", "--noise", "zero", "--out", "zero.onnx")
    sampling, zero = session(run / "policy.onnx"), session(tmp_path / "zero.onnx")
    assert [x.name for x in sampling.get_inputs()] == ["observation", "noise"]
    assert [x.name for x in zero.get_inputs()] == ["observation"]
    assert [x.name for x in sampling.get_outputs()] == ["action"]

    observation, noise = inputs(shown)
    for found, expected in [
        (
            sampling.run(None, {"observation": observation, "noise": noise})[0],
            policy.act(observation, noise),
        ),
        (
            zero.run(None, {"observation": observation})[0],
            policy.act(observation, np.zeros_like(noise)),
        ),
    ]:
        assert found.shape == expected.shape
        assert np.ptp(expected) > 0
        error = np.max(np.abs(found - expected) / half)
        print(f"{task}, {method}, {settings}: {error:.1e}")
        assert error <= TOLERANCE

    # Any number of observations, and each by itself.
    rows = [slice(0, 1), slice(1, 8)]
    together = zero.run(None, {"observation": observation[:8]})[0]
    for part in rows:
        alone = zero.run(None, {"observation": observation[part]})[0]
        assert np.max(np.abs(alone - together[part]) / half) <= TOLERANCE


@pytest.mark.parametrize("method", ["fpo", "ppo", "dppo"])
@pytest.mark.parametrize("squash", ["tanh", "clip"])
def test_what_is_not_a_number_is_not_hidden(tmp_path, method, squash):
    """Where the policy answers with an error, the graph's action is NaN."""
    train(tmp_path, "cheetah-run", method, {"policy.squash": squash})
    shown = json.loads(fpo(tmp_path, "policy", "show", "runs/run", "--json"))
    observation, noise = inputs(shown)
    observation[3, 2] = np.nan
    noise[5, -1] = np.inf
    fpo(tmp_path, "export", "runs/run", "--onnx", "--out", "policy.onnx")
    feed = {"observation": observation, "noise": noise}
    action = session(tmp_path / "policy.onnx").run(None, feed)[0]
    assert np.isnan(action[3]).all()
    assert np.isnan(action[5]).any()
    others = np.delete(action, [3, 5], axis=0)
    assert np.isfinite(others).all()


def test_hostile_policies_are_refused_in_one_line(tmp_path):
    (tmp_path / "text").write_text("not a policy")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("text", "empty", "missing", "."):
        command = [PROGRAM, "export", name, "--onnx", "--out", "out.onnx"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out.onnx").exists()
