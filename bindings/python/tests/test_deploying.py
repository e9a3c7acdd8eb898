"""Python acts as C and ONNX Runtime do: three kinds of policy on five tasks.

What C, C++ and Rust give is compared by crates/fpo/tests/all/deploying on the same tasks, to the
bit, and what ONNX Runtime gives by bindings/onnx, with every method and many settings.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import SMALL

import fpo

ROOT = Path(__file__).parents[3]
ROWS = 1000
#: Largest difference from ONNX Runtime, as a fraction of half of an action's range.
TOLERANCE = 1e-5

TASKS = ["cartpole-balance", "cheetah-run", "fish-swim", "Hopper-v5", "bandit-two_modes"]
#: A flow, a Gaussian, and a flow whose steps add noise.
METHODS = ["fpo", "ppo", "dppo"]


@functools.cache
def c_library():
    """The library for C, which `.ci/python` and `cargo test --workspace` build."""
    sys.path.insert(0, str(ROOT / "bindings/onnx"))
    import library

    return library


def of_onnx(run: fpo.Run, feed: dict[str, np.ndarray], *options: str) -> np.ndarray:
    """The actions of ONNX Runtime for the exported policy."""
    onnxruntime = pytest.importorskip("onnxruntime")
    command = [sys.executable, "-m", "fpo._command", "export", str(run.folder), "--onnx"]
    done = subprocess.run(
        [*command, "--out", "policy.onnx", *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession("policy.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", TASKS)
def test_actions_are_those_of_c_and_onnx(task, method):
    config = SMALL | {"objective.method": method, "eval.every": 0, "eval.episodes": 1}
    run = fpo.train(task, steps=2 * 256, config=config, progress=False)
    policy = run.policy()
    rng = np.random.default_rng(0)
    observation = 0.5 * rng.standard_normal((ROWS, policy.observation_dim), dtype=np.float32)
    noise = rng.standard_normal((ROWS, policy.noise_dim), dtype=np.float32)
    zero = np.zeros_like(noise)

    sampled, deterministic = policy.act(observation, noise), policy.act(observation)
    assert sampled.shape == (ROWS, policy.action_dim) and np.ptp(deterministic) > 0
    assert not np.array_equal(sampled, deterministic)

    file = run.checkpoints[-1].path / "policy.safetensors"
    of_c = c_library().Policy(file, ROWS)
    assert np.array_equal(sampled, of_c.act(observation, noise))
    assert np.array_equal(deterministic, of_c.act(observation, zero))

    spec = next(known for known in fpo.tasks() if known["name"] == task)
    half = np.subtract(spec["action_max"], spec["action_min"]) / 2
    for expected, found in [
        (sampled, of_onnx(run, {"observation": observation, "noise": noise})),
        (deterministic, of_onnx(run, {"observation": observation}, "--noise", "zero")),
    ]:
        assert np.max(np.abs(found - expected) / half) <= TOLERANCE


def test_the_code_of_the_page_acts(capsys):
    """Both blocks of Python in docs/deploying.md, with the policy of a shorter run."""
    onnxruntime = pytest.importorskip("onnxruntime")
    run = fpo.train("cartpole-balance", steps=512, config=SMALL, progress=False)
    run.policy().save("policy.safetensors")
    of_onnx(run, {"observation": np.zeros((1, 5), np.float32)}, "--noise", "zero")
    Path("policy.onnx").rename("zero.onnx")
    page = (ROOT / "docs/deploying.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 2 and onnxruntime.__name__ in blocks[1]
    printed = []
    for block in blocks:
        exec(compile(block, "docs/deploying.md", "exec"), {})
        printed.append(float(capsys.readouterr().out.strip(" []\n")))
    expected = run.policy().act([0.1, 0.99, 0.05, 0.2, -0.3])[0]
    assert abs(printed[0] - expected) < 1e-7 and abs(printed[1] - expected) < 1e-5
