"""Train flow-matching policies from rewards, on a CPU.

>>> import fpo
>>> run = fpo.train("cartpole-balance", steps=100_000)        # a task of fpo, or your environment
>>> actions = run.policy().act(observations)                   # NumPy in, NumPy out

The environment may be the name of a task, the path of a task file, a function that makes a
`gymnasium.Env`, or a `gymnasium.vector.VectorEnv`. The guide is docs/python.md.
"""

from ._errors import Error, InputError, TrainingError
from ._policy import Policy
from ._run import Checkpoint, Evaluation, Returns, Run
from ._spaces import flatten
from ._train import evaluate, resume, train
from .envs import FpoEnv, FpoVectorEnv, make, make_vec, register, tasks

__all__ = [
    "Checkpoint",
    "Error",
    "Evaluation",
    "FpoEnv",
    "FpoVectorEnv",
    "InputError",
    "Policy",
    "Returns",
    "Run",
    "TrainingError",
    "evaluate",
    "flatten",
    "make",
    "make_vec",
    "resume",
    "tasks",
    "train",
]

register()
