"""The same training from Python and from the command line: does Python cost anything?

    python bindings/python/examples/compare_command.py

trains cheetah-run on `fpo.make_vec` environments with a callback in every iteration, and by the
command `fpo train`, in turns. Each length is run twice, a short and a long one; what is shown is
the difference, so that starting a process, loading a model and writing files do not count.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fpo

TASK, ENVS = "cheetah-run", 256
SHORT = 8_192
#: No checkpoints and evaluations: what is timed is training.
CONFIG = {"eval.every": 0, "eval.episodes": 1, "train.checkpoint_every": 0, "env.num_envs": ENVS}


def from_python(preset: str, steps: int, threads: int, out: Path) -> float:
    """Seconds of a run."""
    rows = 0

    def count(row: object) -> None:
        nonlocal rows
        rows += 1

    start = time.perf_counter()
    fpo.train(
        fpo.make_vec(TASK, ENVS, seed=0),
        preset=preset,
        steps=steps,
        seed=0,
        out=out,
        threads=threads,
        config=CONFIG,
        callback=count,
    )
    assert rows > 0, "the callback was not called"
    return time.perf_counter() - start


def from_command(preset: str, steps: int, threads: int, out: Path) -> float:
    """Seconds of a run."""
    # The command `fpo` of this package.
    command = [sys.executable, "-m", "fpo._command", "train", TASK, "--preset", preset]
    command += ["--threads", str(threads), "--out", str(out)]
    for name, value in {**CONFIG, "train.steps": steps, "seed": 0}.items():
        command += ["--set", f"{name}={value}"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="ppo-fast")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=212_992, help="steps of the long run")
    arguments = parser.parse_args()
    if arguments.steps <= SHORT:
        parser.error(f"--steps must be above {SHORT}, the steps of the short run")

    rates: dict[str, list[float]] = {"Python": [], "command line": []}
    for round_ in range(arguments.rounds):
        for name, run in (("Python", from_python), ("command line", from_command)):
            with tempfile.TemporaryDirectory() as folder:
                seconds = [
                    run(arguments.preset, steps, arguments.threads, Path(folder) / str(steps))
                    for steps in (SHORT, arguments.steps)
                ]
            rates[name].append((arguments.steps - SHORT) / (seconds[1] - seconds[0]))
        print(f"round {round_ + 1}:", {name: round(rate[-1]) for name, rate in rates.items()})
    medians = {name: statistics.median(rate) for name, rate in rates.items()}
    print("steps/s, medians:", {name: round(rate) for name, rate in medians.items()})
    print(f"Python / command line: {medians['Python'] / medians['command line']:.3f}")


if __name__ == "__main__":
    main()
