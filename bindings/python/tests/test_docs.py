"""The code of the documents and the examples run, with fewer steps."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SMALL

import fpo

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "bindings/python/examples"
#: What examples need that .ci/python has in another environment only.
PEERS = {
    "compare_sb3.py": ["stable_baselines3", "mujoco"],
    "train_sb3.py": ["stable_baselines3"],
}
FEW = ["--steps", "512"]
ARGUMENTS = {
    "ten_lines.py": ["512"],
    "optuna_sweep.py": [*FEW, "--trials", "2"],
    "compare_sb3.py": ["--steps", "512", "--envs", "4", "--rounds", "1"],
    "compare_command.py": ["--steps", "16384", "--rounds", "1"],
    # Three updates.
    "cleanrl_style.py": ["--steps", "768", "--envs", "4"],
    "train_sb3.py": ["--steps", "256", "--envs", "4"],
}


def available(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def blocks(page: Path) -> list[str]:
    """The blocks of Python; one that needs a module is left out where it is not installed."""
    found = []
    pattern = r"(?:<!-- needs: (\w+) -->\n)?```python\n(.*?)```"
    for needs, block in re.findall(pattern, page.read_text("utf-8"), re.S):
        if not needs or available(needs):
            found.append(block)
    return found


@pytest.mark.parametrize("page", ["docs/python.md", "bindings/python/README.md"])
def test_snippets_of_the_documents_run(page, monkeypatch):
    def fewer(call):
        @functools.wraps(call)
        def short(*args, **arguments):
            steps = arguments.pop("steps")
            config = arguments.pop("config", {})
            if call is fpo_train:
                # Two iterations of small batches.
                config = SMALL | {"eval.every": 256} | config
                steps = 512
            else:
                steps = 1024
            return call(*args, steps=steps, config=config, **arguments)

        return short

    fpo_train = fpo.train
    monkeypatch.setattr(fpo, "train", fewer(fpo.train))
    monkeypatch.setattr(fpo, "resume", fewer(fpo.resume))
    names: dict[str, object] = {}
    found = blocks(ROOT / page)
    assert found
    for block in found:
        exec(compile(block, page, "exec"), names)


def examples():
    for name in sorted(path.name for path in EXAMPLES.glob("*.py")):
        marks = pytest.mark.peers(*PEERS[name]) if name in PEERS else ()
        yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("example", list(examples()))
def test_examples_run(example, empty_folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), *ARGUMENTS.get(example, FEW)],
        capture_output=True,
        text=True,
        env={**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true"},
    )
    assert done.returncode == 0, done.stderr
    if example == "two_goals.py":
        assert (empty_folder / "two-goals.svg").stat().st_size > 10_000
    if example == "optuna_sweep.py":
        assert "best return" in done.stdout
        assert {path.name for path in Path("runs/sweep").iterdir()} == {"trial0", "trial1"}
    if example == "wandb_callback.py":
        [logged] = Path("wandb").glob("offline-run-*/*.wandb")
        assert logged.stat().st_size > 1000


def test_the_page_names_every_example():
    page = (ROOT / "docs/python.md").read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"`{path.name}`" in page, path.name
