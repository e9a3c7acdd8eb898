#!/usr/bin/env python3
"""The study behind the `fast` preset: trains the runs of grid.toml, times their iterations, and
tabulates both.

    study.py train    trains what has no result yet; what is learned in so many steps does not
                      depend on the machine's load
    study.py time     times the iterations of every setting, on one thread and on two; wants a
                      quiet machine
    study.py table    prints the Markdown tables of docs/notes/fast-preset.md

Results go to bench/results: fast_study.csv has a line for every evaluation, fast_study_time.csv one
for every timed setting. Only Python's standard library is needed.
"""

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRID = HERE / "grid.toml"
CURVES = HERE.parent / "results/fast_study.csv"
TIMES = HERE.parent / "results/fast_study_time.csv"
CURVE_FIELDS = [
    "run",
    "task",
    "seed",
    "env_steps",
    "zero_noise",
    "zero_noise_std",
    "random_noise",
    "random_noise_std",
]
TIME_FIELDS = [
    "run",
    "threads",
    "steps_per_iteration",
    "milliseconds_least",
    "milliseconds_quartile",
    "iterations",
]


@dataclass(frozen=True)
class Setting:
    """A `[[run]]` of the grid."""

    name: str
    # Heading of the table it stands in.
    table: str
    # All that `fpo train` is told: the base's settings too, or for a run from the preset what
    # differs from it.
    settings: dict
    tasks: list
    seeds: list

    def command(self, options, task, seed, threads, folder, **further):
        told = self.settings | further
        return [
            *(
                options.fpo,
                "train",
                task,
                f"--seed={seed}",
                f"--threads={threads}",
                f"--out={folder}",
                "--name=run",
                "--force",
            ),
            *(f"--set={key}={toml(value)}" for key, value in told.items()),
        ]

    def transitions(self):
        """Environment steps of an iteration."""
        return self.settings["env.num_envs"] * self.settings["env.num_steps"]


def toml(value):
    """A value as `--set` reads it."""
    return json.dumps(value) if isinstance(value, (list, bool)) else str(value)


def read_grid():
    """The grid's runs, in its order."""
    grid = tomllib.loads(GRID.read_text())
    settings, runs = {None: grid["base"], "preset": {}}, []
    for run in grid["run"]:
        name = run["name"]
        settings[name] = settings[run.get("from")] | run.get("set", {})
        table = run.get("table", runs[-1].table if runs else "")
        runs.append(
            Setting(
                name,
                table,
                settings[name],
                run.get("tasks", ["cheetah-run"]),
                run.get("seeds", [0]),
            )
        )
    return runs


def read_csv(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, fields, lines):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


# Training.


def waiting(started, table):
    """The grid's runs without results that are not in `started`, of tables that begin with `table`.
    The grid may grow meanwhile."""
    done = {(line["run"], line["task"], int(line["seed"])) for line in read_csv(CURVES)} | started
    rows = [run for run in read_grid() if run.table.startswith(table)]
    jobs = [(run, task, seed) for run in rows for task in run.tasks for seed in run.seeds]
    return [job for job in jobs if (job[0].name, job[1], job[2]) not in done]


def train(options):
    """Trains every run without results, at most `options.jobs` of them side by side, one thread
    each."""
    started, running = set(), []
    while (queue := waiting(started, options.table)) or running:
        for job in [job for job in running if job[0].poll() is not None]:
            running.remove(job)
            collect(*job)
        busy = os.getloadavg()[0] > options.max_load
        if queue and len(running) < (1 if busy else options.jobs):
            run, task, seed = queue[0]
            started.add((run.name, task, seed))
            folder = options.out / re.sub(r"\W+", "-", f"{run.name} {task} {seed}")
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "log").open("w") as log:
                command = ["nice", "-n", "15", *run.command(options, task, seed, 1, folder)]
                process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            running.append((process, run, task, seed, folder))
            print(f"{len(queue) - 1} waiting; started {run.name}, {task}, seed {seed}", flush=True)
            # The load average follows slowly.
            time.sleep(options.pause)
        time.sleep(1)


def collect(process, run, task, seed, folder):
    """Adds a finished run's evaluations to the results."""
    if process.returncode != 0:
        # A run that diverged is a result too: what it reached before stays.
        print(
            f"{run.name}, {task}, seed {seed} ended with {process.returncode}; see {folder}/log",
            file=sys.stderr,
            flush=True,
        )
    evaluations = {}
    for line in read_csv(folder / "run/eval.csv"):
        entry = evaluations.setdefault(int(line["env_steps"]), {})
        entry[f"{line['noise']}_noise"] = f"{float(line['mean']):.1f}"
        entry[f"{line['noise']}_noise_std"] = f"{float(line['std']):.1f}"
    lines = [
        dict(run=run.name, task=task, seed=seed, env_steps=steps, **entry)
        for steps, entry in evaluations.items()
    ]
    write_csv(CURVES, CURVE_FIELDS, read_csv(CURVES) + lines)
    print(
        f"    {run.name}, {task}, seed {seed}: " + ", ".join(line["zero_noise"] for line in lines),
        flush=True,
    )


# Timing.


def measure(options):
    """Times every setting on cheetah-run in interleaved rounds, so that a disturbance does not hit
    one setting alone."""
    # Those from the preset are among the others but for their tasks; of the others, those that were
    # trained.
    trained = {line["run"] for line in read_csv(CURVES)}
    grid = [run for run in read_grid() if "env.num_envs" in run.settings and run.name in trained]
    rows = list({json.dumps(timed(run)): run for run in reversed(grid)}.values())[::-1]
    sample = {(run.name, threads): [] for run in rows for threads in (1, 2)}
    for round in range(options.rounds):
        print(f"round {round + 1} of {options.rounds}", flush=True)
        for run in rows:
            for threads in (1, 2):
                sample[run.name, threads] += milliseconds(options, run, threads)
    lines = []
    for run in rows:
        for threads in (1, 2):
            times = sample[run.name, threads]
            quartile = statistics.quantiles(times, n=4)[0]
            least = min(times)
            measured = dict(
                milliseconds_least=f"{least:.1f}",
                milliseconds_quartile=f"{quartile:.1f}",
                iterations=len(times),
            )
            lines.append(
                dict(
                    run=run.name, threads=threads, steps_per_iteration=run.transitions(), **measured
                )
            )
    write_csv(TIMES, TIME_FIELDS, lines)


def timed(run):
    """What an iteration's time depends on, leaving out what costs nothing."""
    free = ["train.steps", "objective.clip", "advantage.gamma"]
    free += [
        key
        for key in run.settings
        if key.endswith(("_rate", "_fraction")) or key.startswith("eval.")
    ]
    return {key: value for key, value in run.settings.items() if key not in free}


def milliseconds(options, run, threads):
    """Durations of a short run's iterations, without the first, in which buffers are made."""
    with tempfile.TemporaryDirectory() as folder:
        short = {
            "train.steps": options.iterations * run.transitions(),
            "eval.every": 0,
            "eval.episodes": 1,
        }
        subprocess.run(
            run.command(options, "cheetah-run", 0, threads, folder, **short),
            check=True,
            capture_output=True,
        )
        with open(f"{folder}/run/metrics.jsonl") as file:
            return [1000 * json.loads(line)["time"]["iteration_seconds"] for line in file][1:]


# Tabulating.


def table(_):
    """Prints a table for every heading of the grid: the seeds' returns from zero noise, and how
    long learning takes if it was timed."""
    returns = {}
    for line in read_csv(CURVES):
        curve = returns.setdefault((line["run"], line["task"], int(line["seed"])), [])
        curve.append((int(line["env_steps"]), float(line["zero_noise"])))
    # Of one environment step.
    seconds = {
        (line["run"], int(line["threads"])): float(line["milliseconds_least"])
        / 1000
        / int(line["steps_per_iteration"])
        for line in read_csv(TIMES)
    }
    names = {json.dumps(timed(run)): run.name for run in reversed(read_grid())}
    heading = None
    for run in read_grid():
        curves = [
            (task, seed, returns[run.name, task, seed])
            for task in run.tasks
            for seed in run.seeds
            if (run.name, task, seed) in returns
        ]
        if curves and run.table != heading:
            heading = run.table
            columns = ["setting", "task, seed", "return (at M steps)", "in the end"]
            columns += ["seconds of learning, 1 / 2 threads"] if seconds else []
            print(f"\n{heading}\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
        name = names[json.dumps(timed(run))]
        for task, seed, curve in curves:
            *middle, last = [f"{value:.0f} ({steps / 1e6:.1f})" for steps, value in curve]
            cells = [run.name, f"{task}, {seed}", ", ".join(middle), f"**{last}**"]
            if seconds:
                cells.append(
                    " / ".join(
                        f"{curve[-1][0] * seconds[name, n]:.0f}" if (name, n) in seconds else "–"
                        for n in (1, 2)
                    )
                )
            print(f"| {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["train", "time", "table"])
    parser.add_argument(
        "--fpo", default="target/release/fpo", help="the program (default: %(default)s)"
    )
    runs = Path(tempfile.gettempdir()) / "fpo-study"
    parser.add_argument(
        "--out",
        type=Path,
        default=runs,
        help="train: where run folders are made (default: %(default)s)",
    )
    parser.add_argument(
        "--table", default="", help="train: only the runs of tables whose heading begins so"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="train: runs side by side (default: %(default)s)"
    )
    parser.add_argument(
        "--max-load",
        type=float,
        default=2.6,
        help="train: load above which one run goes alone (default: %(default)s)",
    )
    parser.add_argument(
        "--pause",
        type=float,
        default=20,
        help="train: seconds between two starts (default: %(default)s)",
    )
    parser.add_argument(
        "--iterations",
        type=int,
        default=15,
        help="time: iterations of a short run (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="time: short runs of each setting (default: %(default)s)",
    )
    options = parser.parse_args()
    {"train": train, "time": measure, "table": table}[options.command](options)


if __name__ == "__main__":
    main()
