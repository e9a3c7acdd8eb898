"""Stable-Baselines3: iterations of PPO, rollout and learning."""

import torch
from protocol import Workload, serve
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv


def make(request: dict) -> Workload:
    torch.set_num_threads(request["threads"])
    size = request["sizes"]
    kind = {"dummy": DummyVecEnv, "subproc": SubprocVecEnv}[request["mode"]]
    env = make_vec_env(request["task"], size["envs"], seed=1, vec_env_cls=kind)
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=3e-4,
        n_steps=size["unroll"],
        batch_size=size["minibatch"],
        n_epochs=size["epochs"],
        policy_kwargs={"net_arch": size["hidden"], "activation_fn": torch.nn.Tanh},
        device="cpu",
        seed=1,
    )
    transitions = size["envs"] * size["unroll"]

    def call():
        model.learn(transitions, log_interval=None, reset_num_timesteps=False)

    call()
    parameters = list(model.policy.parameters())
    optimizer = model.policy.optimizer.state[parameters[0]]
    check = {"transitions": model.num_timesteps, "gradient steps": int(optimizer["step"])}
    facts = {"parameters": sum(p.numel() for p in parameters)}
    return Workload(call, check, items=transitions, facts=facts)


if __name__ == "__main__":
    serve(make)
