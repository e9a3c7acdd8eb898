"""The workloads, the contenders of each, and this project's targets."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

#: Relative tolerances of contenders' reports.
F32, BF16 = 1e-3, 2e-2


@dataclass(frozen=True)
class Contender:
    """A contender of a workload."""

    name: str
    #: "fpo" for this project's worker, "baseline" for that of another build, otherwise the Python
    #: worker's name.
    worker: str
    #: The arguments of `prepare`.
    request: dict
    #: How far its results may differ from those of the first contender.
    tolerance: float = F32
    #: This project's contender with which it is compared; by default the first one.
    against: str | None = None
    #: This project's target for the ratio to it: an upper bound for times, a lower bound for rates.
    target: float | None = None


@dataclass(frozen=True)
class Unit:
    """The unit in which the time of an item is shown."""

    name: str
    show: Callable[[float], float]
    #: Whether higher is better.
    rate: bool = False


@dataclass(frozen=True)
class Workload:
    """Work that several contenders do; the first is this project's and the reference for the
    others."""

    name: str
    title: str
    unit: Unit
    contenders: list[Contender]
    threads: list[int] = field(default_factory=lambda: [1, 2])
    #: The number of rounds, and the minimum seconds and timings of a contender in each.
    rounds: int = 9
    seconds: float = 0.3
    least: int = 2
    #: Seconds of a call beyond which a contender is left out, because such long rounds would
    #: measure changes of the machine's load: on a processor without bfloat16, an update of PyTorch
    #: in bfloat16 takes half a minute.
    longest: float = 10.0
    #: Whether the vectors' width matters; simulation uses none of it.
    vectors: bool = False


def without_wider_vectors(workload: Workload) -> Workload:
    """The workload without contenders that cannot be kept to AVX2: ONNX Runtime and numpy choose
    for themselves, compiled PyTorch then computes an infinite loss, and bfloat16 is emulated."""

    def can(contender: Contender) -> bool:
        request = contender.request
        return (
            contender.worker not in ("onnx", "numpy")
            and not request.get("compiled")
            and request.get("precision") != "bf16"
            and contender.name != BF16_OURS
        )

    kept = [contender for contender in workload.contenders if can(contender)]
    return replace(workload, contenders=kept)


def beside_baseline(workload: Workload) -> Workload:
    """The workload without peers: each of this project's contenders from this build, and from
    another."""
    contenders = []
    for ours in (c for c in workload.contenders if c.worker == "fpo"):
        name = f"{ours.name}, baseline"
        contenders += [ours, replace(ours, name=name, worker="baseline", against=ours.name)]
    return replace(workload, contenders=contenders)


MILLISECONDS = Unit("ms", lambda seconds: 1e3 * seconds)
MICROSECONDS = Unit("µs", lambda seconds: 1e6 * seconds)
THOUSANDS_A_SECOND = Unit("k steps/s", lambda seconds: 1e-3 / seconds, rate=True)

F32_OURS, BF16_OURS = "fpo, f32", "fpo, bf16"


def update() -> Workload:
    """One gradient step at the published sizes."""
    sizes = ["env.num_envs=1024", "env.sequences=1", "optimizer.minibatches=1"]

    def ours(name, *sets, **options):
        return Contender(name, "fpo", {"work": "update", "sets": [*sizes, *sets]}, **options)

    def torch(name, compiled, precision, **options):
        request = {"work": "update", "compiled": compiled, "precision": precision}
        return Contender(name, "torch", request, **options)

    bf16 = {"tolerance": BF16, "against": BF16_OURS}
    return Workload(
        "update",
        "One update at the published sizes",
        MILLISECONDS,
        [
            ours(F32_OURS, "train.precision=f32"),
            ours(BF16_OURS, "train.precision=bf16", tolerance=BF16),
            torch("PyTorch eager, f32", False, "f32", target=0.6),
            torch("PyTorch compiled, f32", True, "f32"),
            torch("PyTorch eager, bf16", False, "bf16", target=0.4, **bf16),
            torch("PyTorch compiled, bf16", True, "bf16", **bf16),
            Contender("JAX jitted, f32", "jax", {"work": "update"}, target=0.3),
        ],
        rounds=7,
        vectors=True,
    )


def act(
    workload: str, title: str, unit: Unit, rows: int, targets: dict[str, float], **options
) -> Workload:
    """Actions from noise in ten steps."""
    request = {"work": "act", "rows": rows}
    peers = [
        ("PyTorch eager", "torch", {"compiled": False}),
        ("PyTorch compiled", "torch", {"compiled": True}),
        ("JAX jitted", "jax", {}),
        ("ONNX Runtime", "onnx", {}),
        ("numpy", "numpy", {}),
    ]
    contenders = [
        Contender(name, worker, request | more, target=targets.get(name))
        for name, worker, more in peers
    ]
    contenders.insert(0, Contender("fpo", "fpo", request))
    return Workload(workload, title, unit, contenders, rounds=15, vectors=True, **options)


def deploy() -> Workload:
    """One action of a deployed policy, from observation to action, in each way to take it away."""

    def ours(name, interface):
        return Contender(name, "fpo", {"work": "deploy", "interface": interface})

    return Workload(
        "deploy1",
        "A deployed policy: one observation to one action, 10 flow steps",
        MICROSECONDS,
        [
            ours("fpo, Rust", "rust"),
            ours("fpo, C interface", "c"),
            Contender("fpo, Python package", "python", {"work": "deploy"}),
            Contender("ONNX Runtime, exported file", "onnx", {"work": "deploy"}),
        ],
        rounds=15,
        seconds=0.15,
        threads=[1],
    )


def step(
    task: str, peer: str, *more: Contender, steps: int = 32, target: float | None = None, **options
) -> Workload:
    """Steps of 256 environments, including resets."""
    # Only the cheetah's resets take significant time.
    request = {"work": "step", "envs": 256, "steps": steps, "spread": task == "cheetah-run"}

    def ours(name, lockstep):
        return Contender(name, "fpo", request | {"task": task, "lockstep": lockstep})

    return Workload(
        f"step-{task}",
        f"Env stepping: {task}",
        THOUSANDS_A_SECOND,
        [
            ours("fpo", False),
            ours("fpo, in lockstep", True),
            Contender(f"EnvPool {peer}", "envpool", request | {"task": peer}, target=target),
            *more,
        ],
        least=1,
        **options,
    )


def gymnasium(mode: str, envs: int) -> Contender:
    """A vector environment of Gymnasium."""
    request = {"work": "step", "task": "HalfCheetah-v5", "envs": envs, "steps": 32, "mode": mode}
    return Contender(f"Gymnasium {mode}, {envs} environments", "gymnasium", request)


def ppo() -> Workload:
    """Iterations of Gaussian PPO with the sizes of Stable-Baselines3's defaults, over 16
    environments."""
    task = "HalfCheetah-v5"
    sizes = {"envs": 16, "unroll": 128, "minibatch": 64, "epochs": 10, "hidden": [64, 64]}
    minibatches = sizes["envs"] * sizes["unroll"] // sizes["minibatch"]
    sets = [
        "objective.method=ppo",
        "objective.clip=0.2",
        "objective.entropy=0.0",
        f"env.num_envs={sizes['envs']}",
        f"env.num_steps={sizes['unroll']}",
        "env.sequences=1",
        "env.reward_scale=1.0",
        f"policy.hidden={sizes['hidden']}",
        "policy.activation=tanh",
        "policy.std=state_independent",
        "policy.squash=clip",
        f"critic.hidden={sizes['hidden']}",
        "critic.activation=tanh",
        "critic.loss_coefficient=0.5",
        "advantage.gamma=0.99",
        "advantage.recompute=per_iteration",
        "advantage.form=textbook",
        "advantage.normalize=minibatch",
        "optimizer.max_grad_norm=0.5",
        f"optimizer.epochs={sizes['epochs']}",
        f"optimizer.minibatches={minibatches}",
        "normalizer.enabled=false",
        "train.precision=f32",
    ]

    def sb3(name, mode):
        request = {"work": "iterate", "task": task, "mode": mode, "sizes": sizes}
        return Contender(f"Stable-Baselines3, {name}", "sb3", request, target=4.0)

    return Workload(
        "iteration-ppo",
        "Training iterations: Gaussian PPO on HalfCheetah-v5",
        THOUSANDS_A_SECOND,
        [
            Contender(
                "fpo", "fpo", {"work": "iterate", "task": task, "preset": "paper", "sets": sets}
            ),
            sb3("DummyVecEnv", "dummy"),
            sb3("SubprocVecEnv", "subproc"),
        ],
        rounds=5,
        least=1,
    )


def fast() -> Workload:
    """Iterations of the `fast` preset; for information, without contenders."""
    request = {
        "work": "iterate",
        "task": "cheetah-run",
        "preset": "fast",
        "sets": ["optimizer.max_kl=0"],
    }
    return Workload(
        "iteration-fast",
        "Training iterations: FPO on cheetah-run, preset `fast`",
        THOUSANDS_A_SECOND,
        [Contender("fpo", "fpo", request)],
        rounds=5,
        vectors=True,
    )


WORKLOADS = [
    update(),
    act(
        "act2048",
        "Acting: 2048 observations, 10 flow steps",
        MILLISECONDS,
        2048,
        {"PyTorch eager": 0.5, "PyTorch compiled": 0.5, "ONNX Runtime": 0.6},
        seconds=0.15,
    ),
    act(
        "act1",
        "Acting: one observation, 10 flow steps",
        MICROSECONDS,
        1,
        {"PyTorch eager": 0.1, "PyTorch compiled": 0.1, "ONNX Runtime": 0.5},
        seconds=0.15,
        threads=[1],
    ),
    deploy(),
    step("cheetah-run", "CheetahRun-v1", target=2.5),
    step("cartpole-balance", "CartpoleBalance-v1"),
    step("humanoid-walk", "HumanoidWalk-v1", steps=8, rounds=7),
    step(
        "HalfCheetah-v5",
        "HalfCheetah-v5",
        gymnasium("sync", 16),
        gymnasium("async", 16),
        gymnasium("async", 2),
        rounds=7,
    ),
    ppo(),
    fast(),
]
