"""Training, resuming and evaluating."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from . import _native
from ._errors import InputError, whole
from ._policy import Policy
from ._progress import Progress
from ._run import Evaluation, Returns, Run
from ._sources import EnvFactory, Source, source_of
from .envs import FpoVectorEnv

Callback = Callable[[dict[str, Any]], object]
"""Gets the metrics of each iteration; `False` stops the training."""


def train(
    env: Any,
    preset: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    callback: Callback | Sequence[Callback] | None = None,
    *,
    name: str | None = None,
    eval_env: EnvFactory | None = None,
    threads: int | None = None,
    force: bool = False,
    init_from: Run | str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Run:
    """Trains a policy.

    Ctrl-C ends training after the iteration, saves, and returns the run so far.

    Args:
        env: What to train on: the name of a task (`fpo.tasks()`), the path of a task file, a
            function that makes a `gymnasium.Env`, a `gymnasium.vector.VectorEnv` or an EnvPool
            environment. Actions are a `Box` with finite bounds; observations a `Box`, or a `Dict`
            or `Tuple`, which is flattened.
        preset: Base settings: `fast` by default, `ppo-fast`, `paper`, … (docs/settings.md).
        steps: Environment steps; by default those of the preset.
        seed: Seed of every random number of the run, 0 by default.
        out: The folder in which the run's folder is created, `runs` by default.
        config: Settings that override the preset: a dictionary, as in
            `{"optimizer.learning_rate": 3e-4}` or `{"optimizer": {"learning_rate": 3e-4}}`, or
            the path of a TOML file.
        callback: Called after each iteration with its metrics, in the thread that called `train`;
            returning `False` stops the training. A list of callbacks is called in order.
        name: The name of the run's folder, `TASK-PRESET-seedN` by default.
        eval_env: Makes environments for evaluations, for a vector environment that cannot be
            copied. Without one such a run has no evaluations.
        threads: Threads of Rust, one per core by default. The result is the same with any number.
        force: Whether to replace a run that is in the folder.
        init_from: A run, a checkpoint's folder or a policy file whose network and normalizer the
            new run begins with.
        progress: Whether to show the progress on standard error.

    Returns:
        The run. `run.finished` is whether it was trained to its end.

    Raises:
        InputError: If the environment, a setting or the folder is wrong.
        TrainingError: If training fails. What was learned until the last checkpoint is in the
            folder, which a note of the exception names.
        Exception: What the environment or a callback raises, with its own traceback; what was
            learned until then is saved.
    """
    sets, file = _settings(config)
    if steps is not None:
        sets.append(f"train.steps={_steps(steps)}")
    if init_from is not None:
        try:
            start = os.fspath(init_from)
        except TypeError:
            raise InputError(
                f"init_from is {type(init_from).__name__}: a run, or the path of one, of a "
                "checkpoint or of a policy file"
            ) from None
        # A JSON string is one of TOML, too.
        sets.append(f"init.from={json.dumps(start)}")
    task, envs = _task(env, eval_env)
    return _run(
        task,
        callback,
        progress,
        lambda observer, stop: _native.train(
            task,
            observer,
            stop,
            preset=_text("preset", preset),
            sets=sets,
            config_file=file,
            seed=None if seed is None else whole("seed", seed, 0, 2**64 - 1),
            out=_text("out", out),
            name=_text("name", name),
            force=force,
            threads=_threads(threads),
            fixed_envs=envs,
        ),
    )


def resume(
    run: Run | str | os.PathLike[str],
    env: Any = None,
    steps: int | None = None,
    config: Mapping[str, Any] | None = None,
    callback: Callback | Sequence[Callback] | None = None,
    *,
    eval_env: EnvFactory | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Run:
    """Resumes a run from its newest checkpoint.

    Args:
        run: The run, or its folder.
        env: The environment, as for `train`; not needed for a task of fpo. An environment in Python
            begins new episodes, because it cannot save its state.
        steps: The length of the whole run, to extend it.
        config: Changed settings; those that cannot change are refused.

    The other arguments, the result and the exceptions are those of `train`.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    sets, file = _settings(config)
    if file is not None:
        raise InputError("a file of settings belongs to a new run: pass a dictionary")
    if steps is not None:
        sets.append(f"train.steps={_steps(steps)}")
    task, envs = (None, None) if env is None else _task(env, eval_env)
    return _run(
        task,
        callback,
        progress,
        lambda observer, stop: _native.resume(
            os.fspath(folder),
            task,
            observer,
            stop,
            sets=sets,
            threads=_threads(threads),
            fixed_envs=envs,
        ),
    )


def evaluate(
    policy: Policy | Run | str | os.PathLike[str],
    env: Any = None,
    episodes: int = 64,
    *,
    seed: int = 1000,
    threads: int | None = None,
) -> Evaluation:
    """Returns of whole episodes, from zero noise and from random noise.

    Args:
        policy: A policy, a run (its newest), or where one is.
        env: A task's name or file, or a function that makes a `gymnasium.Env`; by default the task
            of fpo that the policy was trained on.
        episodes: Episodes for each kind of noise.
        seed: Seed of initial states and noise.
        threads: Threads of Rust, one per core by default. The result is the same with any number.

    Raises:
        InputError: If the environment is wrong, or of other sizes than the policy.
        Exception: What the environment raises.
    """
    if isinstance(policy, Run):
        policy = policy.policy()
    elif not isinstance(policy, Policy):
        policy = Policy.load(policy)
    task = None if env is None else _task(env, None)[0]
    if isinstance(task, Source) and task.num_envs is not None:
        raise InputError(
            "an evaluation makes environments of its own: pass a function that makes one, not a "
            "vector environment"
        )
    try:
        zero, random = _native.evaluate(
            policy._native,
            task,
            episodes=whole("episodes", episodes, 1, 10**9),
            seed=whole("seed", seed, 0, 2**64 - 1),
            threads=_threads(threads),
        )
    finally:
        if isinstance(task, Source):
            task.close()
    return Evaluation(Returns(**zero), Returns(**random))


def _task(env: Any, eval_env: EnvFactory | None) -> tuple[str | Source, int | None]:
    """What the trainer takes: a task's name or a source; and the number of environments, if it is
    given."""
    if isinstance(env, (str, os.PathLike)):
        if eval_env is not None:
            raise InputError("eval_env belongs to a vector environment")
        name = os.fspath(env)
        _check_no_gymnasium_id(name)
        return name, None
    if isinstance(env, FpoVectorEnv):
        return env.task, env.num_envs
    source = source_of(env, eval_env)
    return source, source.num_envs


def _check_no_gymnasium_id(name: str) -> None:
    """Refuses the name of a registered environment that is no task of fpo, and says what to use."""
    spec = gymnasium.registry.get(name)
    if spec is None or any(task["name"] == name for task in _native.tasks()):
        return
    if name.startswith("fpo/"):
        raise InputError(f"`{name}` is the task `{spec.kwargs['task']}` of fpo: pass that name")
    raise InputError(
        f"`{name}` is an environment of Gymnasium, no task of fpo: pass a function that makes it, "
        f'`lambda: gymnasium.make("{name}")`'
    )


class _Observer:
    """What the trainer calls on the way."""

    def __init__(
        self,
        stop: _native.StopFlag,
        callbacks: Sequence[Callback],
        show: bool,
        can_evaluate: bool,
    ) -> None:
        self.stop = stop
        self.callbacks = callbacks
        self.show = show
        self.can_evaluate = can_evaluate
        self.progress: Progress | None = None

    def started(self, folder: str, task: str, done: int, total: int, notes: list[str]) -> None:
        if not self.show:
            return
        self.progress = Progress(task, done, total)
        self.progress.line(f"training {task} in {os.fspath(folder)}")
        if not self.can_evaluate:
            self.progress.line(
                "note: no evaluations, because a vector environment cannot be copied: pass "
                "eval_env=, a function that makes one of its environments"
            )
        for note in notes:
            self.progress.line(note)

    def iteration(self, row: dict[str, Any]) -> None:
        if self.progress is not None:
            self.progress.iteration(row)
        for callback in self.callbacks:
            go_on = callback(dict(row))
            if isinstance(go_on, (bool, np.bool_)) and not go_on:
                self.stop.set()

    def evaluating(self) -> None:
        pass

    def evaluated(self, env_steps: int, zero: dict[str, Any], random: dict[str, Any]) -> None:
        if self.progress is not None:
            self.progress.line(
                f"evaluation at {env_steps:,} steps, {zero['episodes']} episodes each: zero noise "
                f"{zero['mean']:.1f} ± {zero['std']:.1f}, random noise {random['mean']:.1f} ± "
                f"{random['std']:.1f}"
            )

    def found(self, unhealthy: bool, iteration: int, statement: str, advice: str) -> None:
        if self.progress is not None:
            what = "warning" if unhealthy else "note"
            self.progress.line(f"{what}: iteration {iteration}: {statement}")
            if advice:
                self.progress.line(f"  {advice}")

    def close(self) -> None:
        if self.progress is not None:
            self.progress.close()


def _run(
    task: str | Source | None,
    callback: Callback | Sequence[Callback] | None,
    progress: bool,
    call: Callable[[_Observer, _native.StopFlag], dict[str, Any]],
) -> Run:
    stop = _native.StopFlag()
    callbacks = _callbacks(callback)
    can_evaluate = task.can_evaluate if isinstance(task, Source) else True
    observer = _Observer(stop, callbacks, progress, can_evaluate)
    try:
        with _ctrl_c(stop, progress):
            done = call(observer, stop)
    finally:
        observer.close()
        if isinstance(task, Source):
            task.close()
    run = Run(done["folder"])
    run.finished = done["finished"]
    return run


def _callbacks(callback: Callback | Sequence[Callback] | None) -> list[Callback]:
    if callback is None:
        return []
    if callable(callback):
        return [callback]
    if isinstance(callback, Sequence) and all(callable(one) for one in callback):
        return list(callback)
    raise InputError(
        f"callback is {type(callback).__name__}: a function of the metrics, or a list of functions"
    )


@contextmanager
def _ctrl_c(stop: _native.StopFlag, show: bool) -> Iterator[None]:
    """Lets the first Ctrl-C set `stop`; a second is the usual KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's business.
        yield
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()
        if show:
            print(
                "\nfinishing the iteration, then saving (Ctrl-C again raises KeyboardInterrupt)",
                file=sys.stderr,
                flush=True,
            )

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _steps(steps: object) -> int:
    """A number of steps, which may be written as `1e6`."""
    if isinstance(steps, (float, np.floating)) and float(steps).is_integer():
        steps = int(steps)
    return whole("steps", steps, 1, 2**63 - 1)


def _text(name: str, value: object) -> str | None:
    """An argument that is a name or a path."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise InputError(f"{name} = {value!r}: text is expected")


def _threads(threads: object) -> int | None:
    return None if threads is None else whole("threads", threads, 1, 2**16 - 1)


def _settings(
    config: Mapping[str, Any] | str | os.PathLike[str] | None,
) -> tuple[list[str], str | None]:
    """Settings as `key=value`, and the file of settings if that is what was given."""
    if config is None:
        return [], None
    if isinstance(config, (str, os.PathLike)):
        return [], os.fspath(config)
    if not isinstance(config, Mapping):
        raise InputError(f"config is {type(config).__name__}: a dictionary or the path of a file")
    return [f"{key}={_toml(value)}" for key, value in _flat(config, "")], None


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Sequence):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    raise InputError(f"a setting is {type(value).__name__} {value!r}: a number, text or list")
