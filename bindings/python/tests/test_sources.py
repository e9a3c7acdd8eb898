"""How batches treat ends of episodes, for every kind of environment, computed by hand."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array
from helpers import SMALL, Counting

import fpo
from fpo._sources import RUNNING, TERMINATED, TRUNCATED, source_of
from fpo._spaces import Observations

SMALL_OF_VECTORS = {key: value for key, value in SMALL.items() if key != "env.num_envs"}
ALL = np.ones(2, dtype=np.bool_)
ACTIONS = np.zeros((2, 1), dtype=np.float32)


def two(kind, mode):
    """An environment of three steps that terminates, and one of two that truncates."""
    fns = [lambda: Counting(3, True), lambda: Counting(2, False)]
    return kind(fns, autoreset_mode=mode)


def factory():
    made = iter([Counting(3, True), Counting(2, False)])
    return source_of(lambda: next(made))


def vector(kind, mode):
    return lambda: source_of(two(kind, mode))


CASES = {
    "factory": factory,
    "sync, same step": vector(SyncVectorEnv, AutoresetMode.SAME_STEP),
    "sync, next step": vector(SyncVectorEnv, AutoresetMode.NEXT_STEP),
    "sync, disabled": vector(SyncVectorEnv, AutoresetMode.DISABLED),
    "async, same step": vector(AsyncVectorEnv, AutoresetMode.SAME_STEP),
    "async, next step": vector(AsyncVectorEnv, AutoresetMode.NEXT_STEP),
}


@pytest.mark.parametrize("case", CASES)
def test_final_observations_and_ends(case):
    """By hand: both environments step without a pause, last observations are 3 and 2, and what
    follows them is the first observation of the next episode, 0."""
    source = CASES[case]()
    batch = source.batch(2, evaluating=False)
    seeds = np.array([1, 2], dtype=np.uint32)
    assert batch.reset(np.arange(2), seeds).tolist() == [[0.0], [0.0]]
    expected = [
        # observations, rewards, ends
        ([1, 1], [1, 1], [RUNNING, RUNNING]),
        ([2, 2], [2, 2], [RUNNING, TRUNCATED]),
        ([3, 1], [3, 1], [TERMINATED, RUNNING]),
        ([1, 2], [1, 2], [RUNNING, TRUNCATED]),
        ([2, 1], [2, 1], [RUNNING, RUNNING]),
        ([3, 2], [3, 2], [TERMINATED, TRUNCATED]),
        ([1, 1], [1, 1], [RUNNING, RUNNING]),
    ]
    for observations, rewards, ends in expected:
        shown, given, ended = batch.step(ACTIONS, ALL)
        assert (shown.dtype, given.dtype, ended.dtype) == (np.float32, np.float32, np.uint8)
        assert shown.ravel().tolist() == observations
        assert given.tolist() == rewards
        assert ended.tolist() == ends
        at = np.flatnonzero(ended)
        if len(at):
            assert batch.reset(at, seeds[: len(at)]).ravel().tolist() == [0.0] * len(at)
    # As where a run is resumed: everything begins anew.
    assert batch.reset(np.arange(2), seeds).tolist() == [[0.0], [0.0]]
    assert batch.step(ACTIONS, ALL)[0].ravel().tolist() == [1, 1]
    if "env" in vars(source):
        source.env.close()


class Ignorant(VectorEnv):
    """Counts like two of `Counting`, in next-step mode, and begins everything at any reset."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    num_envs = 2
    single_observation_space = observation_space = spaces.Box(-9, 9, (1,), np.float32)
    single_action_space = action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.k = np.zeros(2)
        return self.k[:, None].astype(np.float32), {}

    def step(self, actions):
        self.k += 1
        ended = self.k == np.array([3, 2])
        return self.k[:, None].astype(np.float32), self.k, ended, ended & False, {}


def test_an_environment_that_cannot_begin_single_episodes_is_refused():
    batch = source_of(Ignorant()).batch(2, evaluating=False)
    seeds = np.array([1, 2], dtype=np.uint32)
    batch.reset(np.arange(2), seeds)
    batch.step(ACTIONS, ALL)
    batch.step(ACTIONS, ALL)
    with pytest.raises(fpo.InputError, match="autoreset_mode=AutoresetMode.SAME_STEP"):
        batch.reset(np.array([1]), seeds[:1])


def test_environments_without_final_observations_are_refused():
    env = Ignorant()
    env.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    batch = source_of(env).batch(2, evaluating=False)
    batch.reset(np.arange(2), np.array([1, 2], dtype=np.uint32))
    batch.step(ACTIONS, ALL)
    with pytest.raises(fpo.InputError, match="final_obs"):
        batch.step(ACTIONS, ALL)


@pytest.mark.peers("envpool")
def test_envpool_begins_single_environments():
    """Hoppers fall at different times; one that begins stands still, but for 0.005."""
    import envpool

    env = envpool.make("Hopper-v4", env_type="gymnasium", num_envs=6, seed=1)
    source = source_of(env)
    assert (source.num_envs, source.can_evaluate, len(source.low)) == (6, False, 3)
    batch = source.batch(6, evaluating=False)
    batch.reset(np.arange(6), np.zeros(6, np.uint32))
    rng, partial = np.random.default_rng(1), 0
    for _ in range(80):
        actions = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
        shown, _, ends = batch.step(actions, np.ones(6, np.bool_))
        at = np.flatnonzero(ends)
        if len(at):
            partial += len(at) < 6
            assert (ends[at] == TERMINATED).all()
            assert (np.abs(shown[at, 5:]).max(axis=1) > 0.01).all()
            began = batch.reset(at, np.zeros(len(at), np.uint32))
            assert (np.abs(began[:, 5:]) < 0.01).all()
    assert partial > 3
    run = fpo.train(env, steps=6 * 64, config=SMALL_OF_VECTORS, progress=False)
    assert np.isfinite(run.metrics["reward"]).all()


def test_step_limits_and_names_come_from_the_environment():
    limited = gymnasium.wrappers.TimeLimit(Counting(9), 4)
    assert source_of(lambda: limited).step_limit == 4
    pendulum = source_of(lambda: gymnasium.make("Pendulum-v1"))
    assert (pendulum.name, pendulum.step_limit) == ("py-Pendulum-v1", 200)
    assert source_of(lambda: Counting(3)).step_limit is None


def test_environments_are_used_again():
    made = []

    def make():
        made.append(Counting(3))
        return made[-1]

    source = source_of(make)
    for _ in range(3):
        batch = source.batch(4, evaluating=True)
        batch.release()
    assert len(made) == 4


def test_dictionaries_are_flattened_in_both_ways():
    space = spaces.Dict(
        {
            "position": spaces.Box(-1, 1, (2, 2), np.float64),
            "gear": spaces.Discrete(3, start=1),
            "more": spaces.Tuple([spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)]),
        }
    )
    observations = Observations(space)
    # In the order of the space, which differs between versions of Gymnasium.
    expected = [("gear", 3), ("more/0", 5), ("more/1", 2), ("position", 4)]
    assert sorted(observations.parts) == expected
    space.seed(1)
    singles = [space.sample() for _ in range(5)]
    rows = np.zeros((5, observations.size), np.float32)
    for single, row in zip(singles, rows, strict=True):
        observations.row(single, row)
    # Gymnasium's own flattening has another order of parts only.
    for single, row in zip(singles, rows, strict=True):
        assert sorted(row.tolist()) == sorted(
            np.float32(spaces.flatten(space, single)).tolist()
        )
    assert np.array_equal(fpo.flatten(space, singles[0]), rows[0])
    batch = concatenate(space, singles, create_empty_array(space, 5))
    assert np.array_equal(observations.rows(batch, 5), rows)


@pytest.mark.parametrize(
    ("observation", "action", "words"),
    [
        (spaces.Box(-1, 1, (2,)), spaces.Discrete(4), "continuous actions, so use a Box"),
        (spaces.Box(-1, 1, (2,)), spaces.MultiBinary(4), "continuous actions, so use a Box"),
        (spaces.Box(-1, 1, (2,)), spaces.Box(0, 9, (2,), np.int64), "a Box of floats"),
        (spaces.Box(-1, 1, (2,)), spaces.Box(-np.inf, 1, (2,)), "finite bounds"),
        (spaces.Box(-1, 1, (2,)), spaces.Box(1, 1, (2,)), "finite bounds"),
        (spaces.Box(0, 255, (84, 84, 3), np.uint8), spaces.Box(-1, 1, (2,)), "is a picture"),
        (spaces.Box(0, 1, (3, 64, 64)), spaces.Box(-1, 1, (2,)), "is a picture"),
        (
            spaces.Dict({"eye": spaces.Box(0, 255, (64, 64), np.uint8)}),
            spaces.Box(-1, 1, (2,)),
            "`eye` is a picture",
        ),
        (spaces.Text(4), spaces.Box(-1, 1, (2,)), "kind Text"),
    ],
)
def test_what_is_not_supported_is_refused_in_one_line(observation, action, words):
    class Env(gymnasium.Env):
        observation_space, action_space = observation, action

    with pytest.raises(fpo.InputError, match=words) as refused:
        fpo.train(Env)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (lambda: Counting(), "pass a function that makes it"),
        (lambda: 5, "pass a task's name"),
        (lambda: (lambda: 5), "where a gymnasium.Env is expected"),
        (lambda: "cheetah-walk", "did you mean `cheetah-run`"),
    ],
)
def test_what_is_no_environment_is_refused(env, words):
    with pytest.raises(fpo.InputError, match=words):
        fpo.train(env())
