"""Training from Python: environments of every kind, callbacks, errors, Ctrl-C, resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import SMALL, Counting, Fork, Point

import fpo

QUIET = {"progress": False}
#: Steps of an iteration with `SMALL`.
ITERATION = 256


def make_counting():
    return Counting(3, True)


def sync(make, mode, n=16):
    return SyncVectorEnv([make] * n, autoreset_mode=mode)


ENVS = {
    "factory": lambda make: make,
    "same step": lambda make: sync(make, AutoresetMode.SAME_STEP),
    "next step": lambda make: sync(make, AutoresetMode.NEXT_STEP),
    "disabled": lambda make: sync(make, AutoresetMode.DISABLED),
}


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("terminates", [True, False])
def test_returns_are_those_computed_by_hand(kind, terminates):
    """Episodes reward 1 + 2 + 3 + 4 + 5; in an iteration each environment has 15 steps, three whole
    episodes."""
    env = ENVS[kind](lambda: Counting(5, terminates))
    config = SMALL | {"env.num_steps": 20, "eval.every": 2 * 320}
    run = fpo.train(env, steps=4 * 320, config=config, **QUIET)
    metrics = run.metrics
    assert metrics["episodes"].tolist() == [64.0] * 4
    assert metrics["episode_return"].tolist() == [15.0] * 4
    assert metrics["episode_length"].tolist() == [5.0] * 4
    assert metrics["reward"].tolist() == [3.0] * 4
    # Whole episodes of other environments, made by the same function.
    evaluated = metrics["eval/zero_noise"]
    assert evaluated[[1, 3]].tolist() == [15.0, 15.0] and np.isnan(evaluated[[0, 2]]).all()
    found = fpo.evaluate(run, lambda: Counting(5, terminates), episodes=3)
    assert found.zero_noise == fpo.Returns(3, 15.0, 0.0, 15.0, 15.0, 0)
    assert found.random_noise.mean == 15.0


@pytest.mark.parametrize("kind", ENVS)
def test_truncated_episodes_are_valued_by_their_last_observation(kind):
    config = SMALL | {"advantage.gamma": 0.5}
    run = fpo.train(ENVS[kind](Fork), "ppo-fast", steps=40 * ITERATION, config=config, **QUIET)
    actions = run.policy().sample([0.0], 200, rng=1)
    assert (actions > 0).mean() > 0.9


def test_a_run_has_everything(empty_folder):
    rows = []
    run = fpo.train(
        Point,
        steps=6 * ITERATION,
        seed=3,
        out="here",
        config={"env": {"num_envs": 16}, **{k: v for k, v in SMALL.items() if k[:4] != "env."}}
        | {"env.num_steps": 16, "train.checkpoint_every": 2, "eval.every": 2 * ITERATION},
        callback=rows.append,
        **QUIET,
    )
    assert run.finished is True
    assert run.folder == Path("here/py-Point-fast-seed3")
    assert run.task == "py-Point"
    assert run.config["env"]["num_envs"] == 16 and run.config["seed"] == 3
    assert run.env_steps == 6 * ITERATION
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    # The rows of callbacks are those of the metrics.
    for name in ("policy_loss", "grad_norm", "time/iteration_seconds"):
        assert run.metrics[name].tolist() == [row[name] for row in rows]
    assert [c.env_steps for c in run.checkpoints][-1] == 6 * ITERATION
    assert {c.evaluation for c in run.checkpoints} != {None}
    assert run.policy(6 * ITERATION).task == "py-Point"
    assert run.checkpoints[-1].policy().observation_dim == 2
    page = run.report()
    assert page == run.folder / "report.html" and "py-Point" in page.read_text("utf-8")
    assert fpo.Run(run.folder).finished is None
    import pandas

    frame = pandas.DataFrame(run.metrics)
    assert len(frame) == 6 and frame["env_steps"].iloc[-1] == 6 * ITERATION
    assert fpo.Policy.load(run).task == "py-Point"
    with pytest.raises(fpo.InputError, match="already holds a run.* force=True"):
        fpo.train(Point, steps=256, seed=3, out="here", config=SMALL, **QUIET)
    fpo.train(Point, steps=256, seed=3, out="here", config=SMALL, force=True, **QUIET)
    assert run.env_steps == 256
    with pytest.raises(fpo.InputError, match="is not a run"):
        fpo.Run("nowhere")


def policy_bytes(run: fpo.Run) -> bytes:
    return (run.checkpoints[-1].path / "policy.safetensors").read_bytes()


def command(*args: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "fpo._command", *args], capture_output=True, text=True, **kwargs
    )


@pytest.mark.parametrize("task", ["cheetah-run", "gridworld-two_walls"])
def test_the_command_line_gives_the_same_bytes(task):
    config = SMALL | {"train.steps": 4 * ITERATION}
    sets = [
        part
        for key, value in config.items()
        for part in ("--set", f"{key}={value}")
    ]
    done = command("train", task, "--seed", "7", "--threads", "1", "--out", "there", *sets)
    assert done.returncode == 0, done.stderr
    of_command = fpo.Run(f"there/{task}-fast-seed7")
    run = fpo.train(task, seed=7, config=config, **QUIET)
    assert policy_bytes(run) == policy_bytes(of_command)
    # So does what make_vec gives: the run does not step it in Python.
    vector = fpo.make_vec(task, 16)
    again = fpo.train(vector, seed=7, out="again", config=config, threads=1, **QUIET)
    assert policy_bytes(again) == policy_bytes(of_command)
    # And the same evaluation.
    evaluated = command("eval", str(run.folder), "--episodes", "4", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    import json

    mean = json.loads(evaluated.stdout)["zero_noise"]["mean"]
    assert fpo.evaluate(run, episodes=4).zero_noise.mean == mean


def test_an_environment_in_python_gives_the_same_bytes_again():
    runs = [
        fpo.train(Point, steps=3 * ITERATION, out=out, config=SMALL, threads=threads, **QUIET)
        for out, threads in [("a", 1), ("b", 2)]
    ]
    assert policy_bytes(runs[0]) == policy_bytes(runs[1])
    other = fpo.train(Point, steps=3 * ITERATION, seed=1, config=SMALL, **QUIET)
    assert policy_bytes(runs[0]) != policy_bytes(other)


def test_dictionaries_of_observations_train():
    class Named(Point):
        observation_space = spaces.Dict(
            {
                "x": spaces.Box(-4, 4, (1,), np.float64),
                "side": spaces.Discrete(2),
            }
        )

        def reset(self, **kwargs):
            shown, infos = super().reset(**kwargs)
            return self._named(shown), infos

        def step(self, action):
            shown, *rest = super().step(action)
            return self._named(shown), *rest

        @staticmethod
        def _named(shown):
            return {"x": shown[:1].astype(np.float64), "side": int(shown[1] > 0)}

    for env in (Named, sync(Named, AutoresetMode.SAME_STEP), sync(Named, AutoresetMode.NEXT_STEP)):
        run = fpo.train(env, steps=2 * ITERATION, config=SMALL, force=True, **QUIET)
        assert sorted(run.policy().observation) == [("side", 2), ("x", 1)]


def test_actions_reach_their_bounds_and_shape():
    seen = []

    class Shaped(Counting):
        def __init__(self):
            super().__init__(5)
            low, high = np.array([[-1.0, 0.0]]), np.array([[3.0, 10.0]])
            self.action_space = spaces.Box(low, high, dtype=np.float64)

        def step(self, action):
            assert action.shape == (1, 2) and action.dtype == np.float64
            seen.append(action)
            return super().step(action)

    fpo.train(Shaped, steps=ITERATION, config=SMALL, **QUIET)
    all_actions = np.array(seen)[:, 0]
    assert (all_actions >= [-1, 0]).all() and (all_actions <= [3, 10]).all()
    assert (all_actions.max(0) - all_actions.min(0) > [1, 3]).all()
    # Every action has its own memory: an environment may keep it.
    assert len(np.unique(all_actions[:, 0])) > 200


def test_a_vector_environment_sets_the_number_of_environments():
    config = {k: v for k, v in SMALL.items() if not k.startswith("env.")}
    run = fpo.train(sync(Point, AutoresetMode.SAME_STEP, n=6), steps=100, config=config, **QUIET)
    env = run.config["env"]
    # About the 256 × 32 transitions of the preset, in four minibatches.
    assert (env["num_envs"], env["num_steps"]) == (6, 1364)
    with pytest.raises(fpo.InputError, match="leave the setting out"):
        fpo.train(sync(Point, AutoresetMode.SAME_STEP, n=4), config=SMALL, **QUIET)


def test_vector_environments_without_evaluations(capfd):
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(sync(Point, AutoresetMode.NEXT_STEP))
    run = fpo.train(env, steps=2 * ITERATION, config=SMALL)
    assert not any(name.startswith("eval/") for name in run.metrics)
    assert "pass eval_env=" in capfd.readouterr().err
    run = fpo.train(env, steps=2 * ITERATION, config=SMALL, eval_env=Point, force=True, **QUIET)
    assert np.isfinite(run.metrics["eval/zero_noise"][-1])
    with pytest.raises(fpo.InputError, match="other observations or actions"):
        fpo.train(env, eval_env=Counting)


def test_callbacks_stop_a_run():
    def stop(row):
        return row["iteration"] < 3

    run = fpo.train("bandit-two_modes", steps=10 * ITERATION, config=SMALL, callback=stop, **QUIET)
    assert (run.finished, run.env_steps) == (False, 3 * ITERATION)
    assert run.checkpoints[-1].env_steps == 3 * ITERATION
    run = fpo.resume(run, **QUIET)
    assert (run.finished, run.env_steps) == (True, 10 * ITERATION)
    whole = fpo.train(
        "bandit-two_modes", steps=10 * ITERATION, config=SMALL, out="whole", **QUIET
    )
    assert policy_bytes(run) == policy_bytes(whole)
    run = fpo.resume(run.folder, steps=12 * ITERATION, config={"eval.episodes": 2}, **QUIET)
    assert run.env_steps == 12 * ITERATION


def test_an_exception_of_a_callback_is_raised_and_the_run_is_saved():
    def fail(row):
        if row["iteration"] == 2:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as raised:
        fpo.train("bandit-two_modes", steps=10 * ITERATION, config=SMALL, callback=fail, **QUIET)
    assert any(frame.name == "fail" for frame in traceback.extract_tb(raised.value.__traceback__))
    run = fpo.Run("runs/bandit-two_modes-fast-seed0")
    assert run.checkpoints[-1].env_steps == 2 * ITERATION
    if sys.version_info >= (3, 11):
        assert "the newest checkpoint is" in raised.value.__notes__[0]


class Breaking(Point):
    """Fails in the fifth iteration."""

    steps_of_all = 0
    broken = True

    def step(self, action):
        Breaking.steps_of_all += 1
        if Breaking.broken and Breaking.steps_of_all == 4 * ITERATION + 100:
            self.fail()
        return super().step(action)

    def fail(self):
        raise ZeroDivisionError("the motor\nis gone")


@pytest.mark.parametrize("vector", [False, True])
def test_an_exception_of_the_environment_is_raised_and_nothing_is_lost(vector):
    Breaking.steps_of_all, Breaking.broken = 0, True
    env = sync(Breaking, AutoresetMode.NEXT_STEP) if vector else Breaking
    config = SMALL | {"eval.every": 0, "train.checkpoint_every": 3}
    with pytest.raises(ZeroDivisionError, match="the motor") as raised:
        fpo.train(env, steps=10 * ITERATION, config=config, **QUIET)
    # Its own traceback, down to the line.
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names[-2:] == ["step", "fail"]
    [folder] = Path("runs").iterdir()
    run = fpo.Run(folder)
    # All whole iterations are in the last checkpoint, not only those until iteration 3.
    assert run.env_steps == 4 * ITERATION
    assert run.checkpoints[-1].env_steps == 4 * ITERATION
    assert not (folder / "failure").exists()
    Breaking.broken = False
    run = fpo.resume(folder, env, **QUIET)
    assert run.finished and run.env_steps == 10 * ITERATION
    assert run.metrics["iteration"].tolist() == list(range(1, 11))


def test_an_exception_while_environments_are_made_is_raised():
    def make():
        raise FileNotFoundError("no model")

    with pytest.raises(FileNotFoundError, match="no model"):
        fpo.train(make, config=SMALL)
    made = []

    def second():
        if made:
            raise FileNotFoundError("no second")
        made.append(Point())
        return made[-1]

    with pytest.raises(FileNotFoundError, match="no second"):
        fpo.train(second, config=SMALL)
    assert not Path("runs/py-Point-fast-seed0/config.toml").exists()


def test_an_environment_that_cannot_be_closed_loses_nothing():
    class Stuck(Point):
        def close(self):
            raise OSError("the window is gone")

    with pytest.warns(UserWarning, match="the window is gone"):
        run = fpo.train(Stuck, steps=ITERATION, config=SMALL, **QUIET)
    assert run.finished


def test_an_exception_in_an_evaluation_is_raised():
    run = fpo.train(Point, steps=ITERATION, config=SMALL, **QUIET)

    class Bad(Point):
        def step(self, action):
            raise ZeroDivisionError("in the evaluation")

    with pytest.raises(ZeroDivisionError, match="in the evaluation"):
        fpo.evaluate(run, Bad, episodes=4)


def test_a_number_that_is_not_finite_is_reported():
    class Broken(Point):
        def step(self, action):
            shown, _, *rest = super().step(action)
            return shown, float("nan"), *rest

    with pytest.raises(fpo.TrainingError, match="non-finite reward at its step 0: this is a bug"):
        fpo.train(Broken, steps=ITERATION, config=SMALL, **QUIET)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "fats"}, "unknown preset `fats`"),
        ({"config": {"optimizer.epoch": 3}}, "did you mean `optimizer.epochs`"),
        ({"config": {"optimizer": {"epochs": "many"}}}, "optimizer.epochs"),
        ({"config": {"optimizer.epochs": None}}, "a number, text or list"),
        ({"config": 5}, "a dictionary or the path of a file"),
        ({"config": "nowhere.toml"}, "nowhere.toml"),
        ({"steps": 0}, "steps = 0 is out of range"),
        ({"steps": "many"}, "steps = 'many': a whole number"),
        ({"steps": 1.5}, "steps = 1.5: a whole number"),
        ({"seed": -1}, "seed = -1 is out of range"),
        ({"seed": "7"}, "seed = '7': a whole number"),
        ({"threads": 0}, "threads = 0 is out of range: 1 to 65535"),
        ({"callback": 5}, "callback is int: a function of the metrics"),
        ({"callback": [print, 5]}, "callback is list: a function"),
        ({"eval_env": Point}, "eval_env belongs to a vector environment"),
        ({"name": "a/b"}, "name= is the name of one folder"),
        ({"name": 5}, "name = 5: text"),
        ({"preset": 5}, "preset = 5: text"),
        ({"init_from": 5}, "init_from is int: a run"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(arguments, words):
    with pytest.raises(fpo.InputError, match=words) as refused:
        fpo.train("cartpole-balance", **arguments)
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, ValueError) and isinstance(refused.value, fpo.Error)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Pendulum-v1", r'a function that makes it, `lambda: gymnasium.make\("Pendulum-v1"\)`'),
        ("fpo/cheetah-run-v0", "is the task `cheetah-run` of fpo"),
    ],
)
def test_a_name_of_gymnasium_is_no_task(name, words):
    with pytest.raises(fpo.InputError, match=words):
        fpo.train(name)


def test_steps_may_be_written_as_a_float():
    run = fpo.train("bandit-two_modes", steps=5.12e2, config=SMALL, **QUIET)
    assert run.env_steps == 512


def test_numbers_of_numpy_stop_a_run_too():
    def callback(row):
        return np.float64(row["iteration"]) < 2

    run = fpo.train(
        "bandit-two_modes", steps=9 * ITERATION, config=SMALL, callback=callback, **QUIET
    )
    assert run.env_steps == 2 * ITERATION


class OldStyle(Point):
    """As in Gym before 0.26."""

    def step(self, action):
        shown, reward, terminated, truncated, infos = super().step(action)
        return shown, reward, terminated or truncated, infos


class OldReset(Point):
    def reset(self, **arguments):
        return super().reset(**arguments)[0]


class Narrow(Point):
    """Gives fewer numbers than it says."""

    def reset(self, **arguments):
        shown, infos = super().reset(**arguments)
        return shown[:1], infos


class Undecided(Point):
    observation_space = spaces.Dict(
        {"x": spaces.Box(-4, 4, (2,), np.float32), "gear": spaces.Discrete(3)}
    )

    def reset(self, **arguments):
        shown, infos = super().reset(**arguments)
        return {"x": shown, "gear": 3}, infos


class Partial(Undecided):
    def reset(self, **arguments):
        shown, infos = super().reset(**arguments)
        return {"x": shown["x"]}, infos


class Rewarded(Point):
    """Gives its reward in an array, as some environments do by mistake."""

    def step(self, action):
        shown, reward, *rest = super().step(action)
        return shown, np.array([reward]), *rest


POINT = Point()


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (lambda: POINT, "the same environment twice"),
        (Rewarded, "the reward ndarray"),
        (OldStyle, "step returned 4 values, where Gymnasium expects five"),
        (OldReset, "reset returned ndarray"),
        (Narrow, r"`observation` of shape \[1\], where its observation_space has \[2\]"),
        (Undecided, r"`gear` = \[3\], which its observation_space does not contain"),
        (Partial, "without `gear`"),
    ],
)
def test_what_an_environment_does_wrong_is_said_in_one_line(env, words):
    with pytest.raises(fpo.InputError, match=words) as refused:
        fpo.train(env, steps=2 * ITERATION, config=SMALL, **QUIET)
    assert "\n" not in str(refused.value)


def test_actions_are_held_and_episodes_shortened():
    """Steps 1 to 7 of an episode reward 1 to 7. Held for three steps, actions gain 1 + 2 + 3, 4 + 5
    + 6 and 7; two of them end an episode of that limit."""
    actions = []

    class Held(Counting):
        def step(self, action):
            actions.append(float(action[0]))
            return super().step(action)

    def train(**settings):
        actions.clear()
        config = SMALL | {f"env.{name}": value for name, value in settings.items()}
        return fpo.train(
            lambda: Held(7), steps=ITERATION, config=config, force=True, progress=False
        )

    run = train(action_repeat=3)
    assert run.metrics["episode_return"].tolist() == [28.0]
    assert run.metrics["episode_length"].tolist() == [3.0]
    assert run.metrics["eval/zero_noise"].tolist() == [28.0]
    assert run.policy().action_repeat == 3
    # The policy says how long it holds an action.
    assert fpo.evaluate(run, lambda: Held(7), episodes=2).zero_noise.mean == 28.0
    first = actions[: 16 * 3]
    assert np.array_equal(first[:16], first[16:32]) and np.array_equal(first[:16], first[32:])

    run = train(action_repeat=3, step_limit=2)
    assert run.metrics["episode_return"].tolist() == [21.0]
    assert run.metrics["eval/zero_noise"].tolist() == [21.0]
    run = train(step_limit=4, action_repeat=1)
    assert run.metrics["episode_return"].tolist() == [10.0]


@pytest.mark.parametrize(
    ("env", "settings", "words"),
    [
        (
            lambda: sync(Point, AutoresetMode.SAME_STEP),
            {"env.action_repeat": 2},
            "do not reach into a vector environment",
        ),
        (
            lambda: sync(Point, AutoresetMode.NEXT_STEP),
            {"env.step_limit": 5},
            "do not reach into a vector environment",
        ),
        (
            lambda: lambda: gymnasium.wrappers.TimeLimit(Point(), 6),
            {"env.step_limit": 4, "env.action_repeat": 2},
            "itself ends its episodes after 3 steps of the policy",
        ),
    ],
)
def test_limits_that_do_not_reach_an_environment_are_refused(env, settings, words):
    with pytest.raises(fpo.InputError, match=words):
        fpo.train(env(), steps=ITERATION, config=SMALL | settings, **QUIET)
    assert not list(Path("runs").glob("*/config.toml"))


def test_a_run_of_an_environment_in_python_needs_it_again():
    run = fpo.train(Point, steps=ITERATION, config=SMALL, **QUIET)
    with pytest.raises(fpo.InputError, match="pass it again as env="):
        fpo.resume(run, steps=2 * ITERATION)
    with pytest.raises(fpo.InputError, match="a run of py-Point, not of py-Counting"):
        fpo.resume(run, Counting, steps=2 * ITERATION)
    with pytest.raises(fpo.InputError, match="pass env=, a function that makes it"):
        fpo.evaluate(run)


def test_what_a_run_begins_with_is_shown(capfd):
    first = fpo.train("bandit-two_modes", steps=ITERATION, config=SMALL, **QUIET)
    arguments = {"steps": ITERATION, "config": SMALL, "out": "b", "init_from": first}
    fpo.train("bandit-two_modes", **arguments)
    assert "beginning from" in capfd.readouterr().err


def test_ctrl_c_saves_and_returns():
    def interrupt(row):
        if row["iteration"] == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    for env in ("bandit-two_modes", Point, sync(Point, AutoresetMode.SAME_STEP)):
        run = fpo.train(
            env, steps=50 * ITERATION, config=SMALL, callback=interrupt, force=True, **QUIET
        )
        assert (run.finished, run.env_steps) == (False, 2 * ITERATION)
        assert run.checkpoints[-1].env_steps == 2 * ITERATION
        assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_in_the_environment_does_not_break_it():
    class Slow(Point):
        count = 0

        def step(self, action):
            Slow.count += 1
            if Slow.count == ITERATION + 9:
                signal.raise_signal(signal.SIGINT)
            return super().step(action)

    run = fpo.train(Slow, steps=50 * ITERATION, config=SMALL, **QUIET)
    assert (run.finished, run.env_steps) == (False, 2 * ITERATION)


def test_a_second_ctrl_c_raises_and_the_run_is_whole():
    class Stuck(Point):
        count = 0

        def step(self, action):
            Stuck.count += 1
            if Stuck.count == ITERATION + 9:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return super().step(action)

    with pytest.raises(KeyboardInterrupt):
        fpo.train(Stuck, steps=50 * ITERATION, config=SMALL, **QUIET)
    [folder] = Path("runs").iterdir()
    assert fpo.Run(folder).checkpoints[-1].env_steps == ITERATION


def test_other_threads_run_while_rust_works():
    """Training is on another thread. Without releases of the interpreter's lock this thread would
    get it for moments only, and the run would be over first."""
    began, answered, iterations = threading.Event(), threading.Event(), []

    def callback(row):
        iterations.append(row["iteration"])
        began.set()
        return not answered.is_set()

    arguments = {"steps": 4000 * ITERATION, "config": SMALL, "callback": callback, **QUIET}
    training = threading.Thread(target=fpo.train, args=("gridworld-two_walls",), kwargs=arguments)
    training.start()
    began.wait()
    answered.set()
    training.join()
    assert len(iterations) < 2000


def test_the_environment_runs_in_the_thread_that_trains():
    threads = set()

    class Bound(Point):
        def step(self, action):
            threads.add(threading.get_ident())
            return super().step(action)

    fpo.train(Bound, steps=ITERATION, config=SMALL, **QUIET)
    assert threads == {threading.get_ident()}


def test_two_trainings_at_once():
    runs = {}

    def one(out):
        runs[out] = fpo.train(Point, steps=3 * ITERATION, out=out, config=SMALL, **QUIET)

    threads = [threading.Thread(target=one, args=(out,)) for out in ("a", "b")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert policy_bytes(runs["a"]) == policy_bytes(runs["b"])


def test_progress_is_shown_in_lines_where_there_is_no_terminal(capfd):
    fpo.train("bandit-two_modes", steps=2 * ITERATION, config=SMALL)
    shown = capfd.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0].startswith("training bandit-two_modes in runs/")
    assert "512 of 512 steps" in shown.err and "evaluation at 512 steps" in shown.err


def test_progress_is_a_bar_in_a_terminal():
    import fcntl
    import pty
    import struct
    import termios

    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    script = f"import fpo; fpo.train('bandit-two_modes', steps={2 * ITERATION}, config={SMALL!r})"
    child = subprocess.Popen([sys.executable, "-c", script], stderr=terminal, stdout=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(main)
    assert child.wait() == 0
    assert b"bandit-two_modes:" in shown and b"\r" in shown and b"%|" in shown


def test_the_command_is_that_of_the_program():
    done = command("tasks")
    assert done.returncode == 0 and "cheetah-run" in done.stdout
    done = command("train", "cheetah-rum")
    assert done.returncode == 2 and "did you mean `cheetah-run`" in done.stderr
    done = command("--version")
    assert done.stdout.startswith("fpo ")


def test_a_task_file_is_trained_resumed_and_evaluated():
    path = Path(__file__).parents[3] / "examples/tasks/cart-follow.toml"
    config = SMALL | {"eval.every": 0}
    run = fpo.train(path, steps=2 * ITERATION, config=config, **QUIET)
    assert run.finished and run.task != str(path)
    run = fpo.resume(run, steps=3 * ITERATION, **QUIET)
    assert run.env_steps == 3 * ITERATION
    # The run keeps the file.
    assert np.isfinite(fpo.evaluate(run, episodes=2).zero_noise.mean)
    vector = fpo.make_vec(str(path), 3)
    assert vector.reset(seed=1)[0].shape == (3, run.policy().observation_dim)


def test_a_run_begins_from_another():
    first = fpo.train("bandit-two_modes", steps=3 * ITERATION, config=SMALL, **QUIET)
    arguments = {"steps": ITERATION, "config": SMALL | {"optimizer.learning_rate": 1e-9}}
    second = fpo.train("bandit-two_modes", out="b", init_from=first, **arguments, **QUIET)
    fresh = fpo.train("bandit-two_modes", out="c", **arguments, **QUIET)
    one = np.zeros(first.policy().observation_dim)
    actions = [run.policy().sample(one, 50, rng=1) for run in (first, second, fresh)]
    # Nothing was learned at this learning rate; what was there before is.
    assert np.abs(actions[1] - actions[0]).max() < 0.5 * np.abs(actions[1] - actions[2]).max()
    with pytest.raises(fpo.InputError, match="nowhere"):
        fpo.train("bandit-two_modes", out="d", init_from="nowhere", **arguments, **QUIET)
