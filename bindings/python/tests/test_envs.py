"""Tasks of fpo as Gymnasium environments."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import fpo


@pytest.mark.parametrize("task", ["cheetah-run", "Hopper-v5", "gridworld-two_walls"])
def test_gymnasium_accepts_single_environments(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What it advises about bounds of observations and actions is not about mistakes.
        warnings.filterwarnings("ignore", message=".*(infinity|normalized|symmetric).*")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped.*")
        check_env(fpo.make(task), skip_render_check=True)
        env = gymnasium.make(f"fpo/{task}-v0")
        env.reset(seed=1)
        env.step(env.action_space.sample())
    assert env.spec is not None and env.spec.id == f"fpo/{task}-v0"


def test_every_task_is_registered():
    names = [task["name"] for task in fpo.tasks()]
    assert len(names) >= 35
    assert all(f"fpo/{name}-v0" in gymnasium.registry for name in names)


def test_vector_environments_are_made_by_gymnasium():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make_vec("fpo/cheetah-run-v0", num_envs=5)
    assert isinstance(env, fpo.FpoVectorEnv) and env.num_envs == 5
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observations, infos = env.reset(seed=1)
    assert observations in env.observation_space and infos == {}
    env.action_space.seed(1)
    for _ in range(3):
        observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        assert observations in env.observation_space
        assert rewards.shape == terminated.shape == truncated.shape == (5,)
        assert terminated.dtype == truncated.dtype == np.bool_
    sync = gymnasium.make_vec("fpo/cheetah-run-v0", num_envs=2, vectorization_mode="sync")
    assert sync.reset(seed=1)[0].shape == (2, 17)
    env.close()


def rollout(env, steps, seed=1):
    env.action_space.seed(seed)
    seen = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        shown, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
        final = [row for row in infos.get("final_obs", []) if row is not None]
        seen += [shown, rewards, terminated, truncated, *final]
    return seen


def test_the_seed_decides_everything_and_threads_nothing():
    one = rollout(fpo.make_vec("hopper-hop", 9, threads=1), 30)
    two = rollout(fpo.make_vec("hopper-hop", 9, threads=2), 30)
    assert all(map(np.array_equal, one, two))
    other = rollout(fpo.make_vec("hopper-hop", 9), 30, seed=2)
    assert not np.array_equal(one[0], other[0])
    env = fpo.make_vec("hopper-hop", 9, seed=1)
    first = env.reset()[0]
    # Without a seed other episodes follow, with one the same.
    assert not np.array_equal(env.reset()[0], first)
    assert np.array_equal(env.reset(seed=4)[0], env.reset(seed=4)[0])


def test_vector_and_single_environments_agree():
    vector = fpo.make_vec("Hopper-v5", 1)
    single = fpo.make("Hopper-v5")
    shown, first = vector.reset(seed=3)[0][0], single.reset(seed=3)[0]
    assert np.array_equal(shown, first)
    single.action_space.seed(3)
    ended = 0
    for _ in range(60):
        action = single.action_space.sample()
        shown, rewards, terminated, truncated, infos = vector.step(action[None])
        last, reward, *ends, _ = single.step(action)
        assert (rewards[0], terminated[0], truncated[0]) == (np.float32(reward), *ends)
        if any(ends):
            ended += 1
            assert np.array_equal(infos["final_obs"][0], last) and infos["_final_obs"][0]
            last, _ = single.reset()
        else:
            assert infos == {}
        assert np.array_equal(shown[0], last)
    assert ended >= 2


def test_truncation_is_told_from_termination():
    """Episodes of cartpole-balance have 1000 steps, and none terminates."""
    env = fpo.make_vec("cartpole-balance", 2)
    env.reset(seed=1)
    for _ in range(999):
        *_, terminated, truncated, infos = env.step(np.zeros((2, 1)))
        assert not terminated.any() and not truncated.any()
    *_, terminated, truncated, infos = env.step(np.zeros((2, 1)))
    assert truncated.all() and not terminated.any() and infos["_final_obs"].all()


def test_pictures():
    env = fpo.make("gridworld-two_walls", render_mode="rgb_array")
    env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (480, 480, 3) and picture.dtype == np.uint8 and picture.std() > 0
    assert fpo.make("cheetah-run").render() is None


def test_wrong_calls_are_refused():
    env = fpo.make_vec("cheetah-run", 2)
    for call, words in [
        (lambda: fpo.make_vec("cheetah-rum"), "did you mean `cheetah-run`"),
        (lambda: fpo.make("cheetah-rum"), "did you mean `cheetah-run`"),
        (lambda: fpo.make_vec("cheetah-run", 0), "num_envs = 0"),
        (lambda: fpo.make_vec("cheetah-run", -3), "num_envs = -3"),
        (lambda: fpo.make_vec("cheetah-run", 2.5), "num_envs = 2.5: a whole number"),
        (lambda: fpo.make_vec("cheetah-run", 2, threads=0), "threads = 0"),
        (lambda: fpo.make_vec("cheetah-run", seed=-1), "seed = -1"),
        (lambda: fpo.make("cheetah-run", render_mode="human"), "rgb_array"),
        (lambda: env.reset(seed=[1, 2]), "one seed"),
        (lambda: env.reset(options={"a": 1}), "no options"),
        (lambda: env.step(np.zeros((2, 5))), r"\[2, 5\], where \[2, 6\]"),
        (lambda: env.step(np.full((2, 6), np.nan)), "not finite"),
        (lambda: fpo.make("cheetah-run").step(np.zeros(5)), "5 entries, where 6"),
    ]:
        with pytest.raises(fpo.InputError, match=words):
            call()


def test_a_script_in_the_manner_of_cleanrl():
    """Collects, and computes advantages with final observations, as its PPO does."""
    envs = fpo.make_vec("Hopper-v5", 8, seed=1)
    next_obs, _ = envs.reset(seed=1)
    num_steps, rng = 64, np.random.default_rng(1)
    obs = np.zeros((num_steps, 8, *envs.single_observation_space.shape), np.float32)
    rewards, dones = np.zeros((num_steps, 8)), np.zeros((num_steps, 8))
    finals = []
    for step in range(num_steps):
        obs[step] = next_obs
        action = rng.uniform(-1, 1, (8, *envs.single_action_space.shape)).astype(np.float32)
        next_obs, rewards[step], terminations, truncations, infos = envs.step(action)
        dones[step] = np.logical_or(terminations, truncations)
        if "final_obs" in infos:
            for i in np.flatnonzero(infos["_final_obs"]):
                finals.append((step, i, infos["final_obs"][i]))
    assert dones.sum() == len(finals) > 0
    # The last observation is not the first of the next episode.
    for step, i, final in finals:
        following = obs[step + 1, i] if step + 1 < num_steps else next_obs[i]
        assert not np.array_equal(final, following)
        assert np.linalg.norm(final - following) > np.linalg.norm(following) * 0.01


@pytest.mark.peers("stable_baselines3")
def test_stable_baselines3_trains_on_them():
    import stable_baselines3 as sb3

    from fpo.sb3 import SB3VecEnv

    env = SB3VecEnv(fpo.make_vec("Hopper-v5", 4))
    model = sb3.PPO("MlpPolicy", env, n_steps=32, batch_size=64, seed=1, device="cpu")
    model.learn(256)
    assert model.num_timesteps == 256 and len(model.ep_info_buffer) > 0
    single = sb3.PPO("MlpPolicy", fpo.make("Hopper-v5"), n_steps=64, seed=1, device="cpu")
    single.learn(64)
