"""Policies on NumPy arrays."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import SMALL

import fpo


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    """A flow, a Gaussian and a flow whose steps add noise, for cartpole-balance."""
    out = tmp_path_factory.mktemp("runs")
    return {
        preset: fpo.train(
            "cartpole-balance",
            preset,
            steps=2 * 256,
            out=out,
            config=SMALL | {"eval.every": 0},
            progress=False,
        ).policy()
        for preset in ("fast", "ppo-fast", "dppo-fast")
    }


@pytest.fixture(params=["fast", "ppo-fast", "dppo-fast"])
def policy(policies, request):
    return policies[request.param]


def observations(n, policy):
    return np.random.default_rng(5).standard_normal((n, policy.observation_dim))


def test_one_observation_or_many(policy):
    many = observations(40, policy)
    actions = policy.act(many)
    assert (actions.shape, actions.dtype) == ((40, 1), np.float32)
    assert (np.abs(actions) <= 1).all()
    for row, action in zip(many, actions, strict=True):
        assert np.array_equal(policy.act(row), action)
        assert policy.act(list(row)).shape == (1,)
    assert policy.act(np.zeros((0, policy.observation_dim))).shape == (0, 1)
    assert policy.act(many[::2]).tolist() == actions[::2].tolist()
    # Of another type and memory order.
    assert np.array_equal(policy.act(np.asfortranarray(many.astype(np.float32))), actions)


def test_noise_is_zero_random_or_given(policy):
    many = observations(30, policy)
    assert not np.array_equal(policy.act(many, "random"), policy.act(many, "random"))
    seeded = policy.act(many, "random", rng=3)
    assert np.array_equal(policy.act(many, "random", rng=np.random.default_rng(3)), seeded)
    shape = (30, policy.noise_dim)
    noise = np.random.default_rng(3).standard_normal(shape, dtype=np.float32)
    assert np.array_equal(policy.act(many, noise), seeded)
    assert np.array_equal(policy.act(many, np.zeros(shape)), policy.act(many))
    assert np.array_equal(policy.act(many[0], noise[0]), seeded[0])


def test_predict_is_spelled_as_in_stable_baselines3(policy):
    many = observations(3, policy)
    actions, state = policy.predict(many, state="kept", deterministic=True)
    assert state == "kept" and np.array_equal(actions, policy.act(many))
    np.random.seed(1)
    first, _ = policy.predict(many)
    np.random.seed(1)
    assert np.array_equal(policy.predict(many)[0], first)
    assert policy.predict(many[0])[0].shape == (1,)


def test_samples_show_the_distribution(policy):
    one = observations(1, policy)[0]
    samples = policy.sample(one, 500, rng=1)
    assert samples.shape == (500, 1) and samples.std() > 0.05
    assert np.array_equal(policy.sample(one[None], 500, rng=1), samples)


def test_wrong_shapes_and_words_are_refused(policy):
    d = policy.observation_dim
    for call, words in [
        (lambda: policy.act(np.zeros((3, d + 1))), rf"\[3, {d + 1}\], where \[n, {d}\]"),
        (lambda: policy.act(np.zeros((3, 2, d))), "of shape"),
        (lambda: policy.act(0.0), "of shape"),
        (lambda: policy.act(np.zeros((3, d)), "some"), '"zero", "random"'),
        (lambda: policy.act(np.zeros((3, d)), np.zeros((2, policy.noise_dim))), "noise of shape"),
        (lambda: policy.act({"x": np.zeros(d)}), "fpo.flatten"),
        (lambda: policy.act((np.zeros(d), 1)), "a tuple, not an array of numbers"),
        (lambda: policy.act("ahead"), "a str, not an array of numbers"),
        (lambda: policy.sample(np.zeros((2, d)), 3), "one observation"),
        (lambda: policy.sample(np.zeros(d), 0), "n = 0 is out of range: 1 to"),
        (lambda: policy.sample(np.zeros(d), "3"), "n = '3': a whole number"),
        (lambda: policy.act(np.zeros(d), None), "noise = None"),
        (lambda: fpo.Policy("policy.safetensors"), "fpo.Policy.load"),
        (lambda: fpo.Policy.load("nowhere"), "nowhere"),
        (lambda: fpo.Policy.load(".", "newest"), '"latest", "best"'),
    ]:
        with pytest.raises(fpo.InputError, match=words):
            call()
    with pytest.raises(fpo.TrainingError, match="not finite"):
        policy.act(np.full(d, np.nan))


def test_policies_are_saved_and_pickled(policy, empty_folder):
    policy.save("mine.safetensors")
    many = observations(7, policy)
    for copy in (fpo.Policy.load("mine.safetensors"), pickle.loads(pickle.dumps(policy))):
        assert np.array_equal(copy.act(many), policy.act(many))
        assert (copy.task, copy.observation) == (policy.task, policy.observation)
    assert "cartpole-balance" in repr(policy)
    (empty_folder / "damaged").write_bytes(b"none")
    with pytest.raises(fpo.InputError, match="not a policy file"):
        fpo.Policy.load("damaged")


def test_many_threads_act_at_once(policy):
    many = observations(64, policy)
    expected = [policy.act(many[: n + 1]) for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            found = list(pool.map(lambda n: policy.act(many[: n + 1]), range(64)))
            assert all(map(np.array_equal, found, expected))
