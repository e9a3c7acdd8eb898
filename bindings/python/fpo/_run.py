"""Runs: what training left in a folder."""

from __future__ import annotations

import csv
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._errors import InputError
from ._policy import Policy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Returns:
    """Returns of some episodes."""

    episodes: int
    mean: float
    std: float
    min: float
    max: float
    #: Episodes whose simulation diverged.
    diverged: int


@dataclass(frozen=True)
class Evaluation:
    """Returns of a policy from zero noise, its deterministic actions, and from random noise."""

    zero_noise: Returns
    random_noise: Returns


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run."""

    path: Path
    iteration: int
    env_steps: int
    #: Mean return from zero noise, if the policy was evaluated then.
    evaluation: float | None

    def policy(self) -> Policy:
        """Its policy."""
        return Policy.load(self.path)


class Run:
    """A run: its settings, metrics, checkpoints and policy.

    `fpo.train` returns one; `Run(folder)` opens any, also one of the command line, also while it is
    trained.

    Raises:
        InputError: If the folder holds no run.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        #: Its folder.
        self.folder = Path(folder)
        #: Whether all iterations were done when `train` or `resume` returned; none of a run that
        #: was opened.
        self.finished: bool | None = None
        if not (self.folder / "config.toml").is_file():
            raise InputError(f"{self.folder} is not a run: it has no config.toml")

    @property
    def config(self) -> dict[str, Any]:
        """Every setting, as in `config.toml`: `run.config["optimizer"]["learning_rate"]`."""
        with open(self.folder / "config.toml", "rb") as file:
            return tomllib.load(file)

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.config["task"])

    @property
    def metrics(self) -> dict[str, NDArray[np.float64]]:
        """The metrics as columns, one entry an iteration: for `pandas.DataFrame(run.metrics)` or
        `polars.DataFrame(run.metrics)`. Where a metric has no value there is NaN. Times are under
        `time/`. docs/metrics.md explains them.
        """
        rows: list[dict[str, float | None]] = []
        names: dict[str, None] = {}
        for line in _lines(self.folder / "metrics.jsonl"):
            row: dict[str, Any] = json.loads(line)
            timing = row.pop("time", {})
            row.update({f"time/{name}": value for name, value in timing.items()})
            names.update(dict.fromkeys(row))
            rows.append(row)
        return {name: _column(row.get(name) for row in rows) for name in names}

    @property
    def evaluations(self) -> dict[str, NDArray[np.float64]]:
        """The evaluations as columns, as in `eval.csv`."""
        try:
            with open(self.folder / "eval.csv", encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return {}
        names = list(rows[0]) if rows else []
        return {name: _column(_number(row[name]) for row in rows) for name in names}

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Its checkpoints, oldest first."""
        return [
            Checkpoint(Path(path), iteration, steps, evaluation)
            for path, iteration, steps, evaluation in _native.checkpoints(os.fspath(self.folder))
        ]

    @property
    def env_steps(self) -> int:
        """Environment steps in its metrics."""
        steps = self.metrics.get("env_steps")
        return int(steps[-1]) if steps is not None and len(steps) else 0

    def policy(self, checkpoint: Literal["latest", "best"] | int = "latest") -> Policy:
        """The policy of its newest checkpoint, of the best, or of one by its environment steps.

        Raises:
            InputError: If there is no such checkpoint.
        """
        return Policy.load(self.folder, checkpoint)

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes a page about the run, one HTML file, to `path` or `report.html` in its folder.

        Returns:
            The file.
        """
        out = Path(path) if path is not None else self.folder / "report.html"
        page = _native.report_page(os.fspath(self.folder), os.fspath(out))
        out.write_text(page, encoding="utf-8")
        return out

    def __fspath__(self) -> str:
        """The path of its folder: a run may stand where a path is expected."""
        return os.fspath(self.folder)

    def __repr__(self) -> str:
        return f"Run({os.fspath(self.folder)!r})"


def _lines(path: Path) -> list[str]:
    """The whole lines of a file, which may be written to at this moment."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _column(values: Any) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
