"""The native part of fpo. Use the package `fpo` instead, which checks what it passes on."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Env",
    "Policy",
    "StopFlag",
    "VecEnv",
    "checkpoints",
    "evaluate",
    "report_page",
    "resume",
    "run_command",
    "tasks",
    "train",
]

def tasks() -> list[dict[str, Any]]: ...
def run_command(args: list[str]) -> int: ...
def report_page(folder: str, out: str) -> str: ...
def checkpoints(folder: str) -> list[tuple[str, int, int, float | None]]: ...
def train(
    task: object,
    observer: object,
    stop: StopFlag,
    *,
    preset: str | None,
    sets: list[str],
    config_file: str | None,
    seed: int | None,
    out: str | None,
    name: str | None,
    force: bool,
    threads: int | None,
    fixed_envs: int | None,
) -> dict[str, Any]: ...
def resume(
    folder: str,
    task: object | None,
    observer: object,
    stop: StopFlag,
    *,
    sets: list[str],
    threads: int | None,
    fixed_envs: int | None,
) -> dict[str, Any]: ...
def evaluate(
    policy: Policy, task: object | None, *, episodes: int, seed: int, threads: int | None
) -> list[dict[str, Any]]: ...

@final
class StopFlag:
    def __new__(cls) -> StopFlag: ...
    def set(self) -> None: ...
    def is_set(self) -> bool: ...

@final
class Policy:
    @staticmethod
    def load(path: str, checkpoint: str | int) -> Policy: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> Policy: ...
    def to_bytes(self) -> bytes: ...
    def act(
        self, observations: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]: ...
    @property
    def source(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def observation(self) -> list[tuple[str, int]]: ...
    @property
    def observation_dim(self) -> int: ...
    @property
    def action_dim(self) -> int: ...
    @property
    def noise_dim(self) -> int: ...
    @property
    def action_repeat(self) -> int: ...

@final
class VecEnv:
    def __new__(cls, task: str, num_envs: int, seed: int, threads: int | None) -> VecEnv: ...
    def spec(self) -> dict[str, Any]: ...
    @property
    def num_envs(self) -> int: ...
    def reset(self, seed: int | None) -> NDArray[np.float32]: ...
    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.bool_],
        NDArray[np.bool_],
        NDArray[np.float32] | None,
    ]: ...

@final
class Env:
    def __new__(cls, task: str) -> Env: ...
    def spec(self) -> dict[str, Any]: ...
    def reset(self, seed: int | None) -> NDArray[np.float32]: ...
    def step(self, action: list[float]) -> tuple[NDArray[np.float32], float, bool, bool]: ...
    def render(self, width: int, height: int) -> NDArray[np.uint8]: ...
