"""Compares fpo with alternatives. `run` calls it; see README.md."""

import argparse
import json
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import checks
import machine
import stats
import table
from contenders import (
    WORKLOADS,
    Contender,
    Workload,
    beside_baseline,
    without_wider_vectors,
)
from worker import Worker, WorkerFailed, python

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "notes" / "speed.md"

#: Seconds between two contenders, so that threads that spin after their work fall asleep.
PAUSE = 0.05
#: The error of a worker whose library is not installed.
MISSING = re.compile(
    r"ModuleNotFoundError: No module named "
    r"'(envpool|fpo|gymnasium|jax|onnx|onnxruntime|stable_baselines3|torch)'"
)
#: Rounds of a quick run, and their length as a fraction of a full run's.
QUICK_ROUNDS, QUICK_FRACTION = 3, 0.3


#: The programs of this project's worker ("fpo") and, if builds are compared, of the other build's
#: ("baseline").
Programs = dict[str, Path]


class NotTheSameWork(Exception):
    """Contenders whose results differ."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(
    contender: Contender, threads: int, longest: float, numbers: Path, programs: Programs
) -> tuple[Worker, dict]:
    """A worker that has done the work once, and its answer."""
    started = time.monotonic()
    program = programs.get(contender.worker)
    worker = Worker([str(program.absolute())] if program else python(contender.worker), threads)
    request = {
        "cmd": "prepare",
        "threads": threads,
        "inputs": str(numbers),
        "longest": longest,
        # Writes the files that others load.
        "exporter": str(programs["fpo"].absolute()),
        **contender.request,
    }
    try:
        answer = worker.ask(request)
    except WorkerFailed as reason:
        last = (str(reason).strip().splitlines() or ["it ended without a word"])[-1]
        found = MISSING.fullmatch(last)
        # Another build may not know the work.
        if found or contender.worker == "baseline":
            why = f"{found[1]} is not installed" if found else last
            say(f"    {contender.name}: {why}")
            return worker, {"unavailable": why}
        worker.end()
        raise WorkerFailed(f"{contender.name}: {reason}") from None
    say(
        f"    {contender.name}: {answer.get('unavailable', 'ready')} "
        f"after {time.monotonic() - started:.0f} s"
    )
    return worker, answer


def differences(workload: Workload, answers: dict[str, dict]) -> list[str]:
    """The contenders that do other work than the first, or, from another build, than this build's:
    a sentence for each. The first must do it."""
    first, *others = workload.contenders
    if why := answers[first.name].get("unavailable"):
        raise WorkerFailed(f"{workload.name}: {first.name}: {why}")
    sentences = []
    for contender in others:
        reference = contender.against if contender.worker == "baseline" else first.name
        ours, theirs = (answers[name].get("check") for name in (reference, contender.name))
        if ours is None or theirs is None:
            continue
        if found := checks.differences(ours, theirs, contender.tolerance):
            sentences.append(
                f"{contender.name} does not do the work of {reference}: {'; '.join(found)}"
            )
    return sentences


def measure(
    workload: Workload, threads: int, numbers: Path, programs: Programs, quick: bool
) -> tuple[dict[str, dict], list[str]]:
    """Results by contender: its report and the seconds of an item, round by round. Also how other
    builds' results differ from this build's; peers' must not."""
    workers, results = {}, {}
    try:
        for contender in workload.contenders:
            workers[contender.name], results[contender.name] = prepare(
                contender, threads, workload.longest, numbers, programs
            )
        differing = differences(workload, results)
        if differing and "baseline" not in programs:
            raise NotTheSameWork(f"{workload.name}: {differing[0]}")
        for sentence in differing:
            say(f"    {sentence}")
        running = [c.name for c in workload.contenders if "check" in results[c.name]]
        rounds, seconds = workload.rounds, workload.seconds
        if quick:
            rounds, seconds = min(rounds, QUICK_ROUNDS), seconds * QUICK_FRACTION
        order = random.Random(f"{workload.name}, {threads} threads")
        for _ in range(rounds):
            order.shuffle(running)
            for name in running:
                time.sleep(PAUSE)
                answer = workers[name].ask(
                    {"cmd": "run", "seconds": seconds, "least": workload.least}
                )
                middle = stats.Spread.of(answer["seconds"]).median
                results[name].setdefault("rounds", []).append(middle / results[name]["items"])
    finally:
        for worker in workers.values():
            worker.end()
    return results, differing


def summarize(workload: Workload, contender: Contender, results: dict[str, dict]) -> dict:
    """The record of a contender."""
    result = results[contender.name]
    if "rounds" not in result:
        return {"unavailable": result["unavailable"]}
    shown = [workload.unit.show(seconds) for seconds in result["rounds"]]
    summary = {"figure": stats.Spread.of(shown).as_dict(), "seconds": result["rounds"]}
    # Actions are compared, but there are too many to record.
    summary["check"] = {k: v for k, v in result["check"].items() if not isinstance(v, list)}
    summary |= {"facts": result["facts"]} if result["facts"] else {}
    ours = results[contender.against or workload.contenders[0].name].get("rounds")
    if contender.worker != "fpo" and ours:
        pair = (result["rounds"], ours) if workload.unit.rate else (ours, result["rounds"])
        summary["ratio"] = stats.ratio(*pair).as_dict()
    return summary


def compare(
    workload: Workload, threads: list[int], numbers: Path, programs: Programs, quick: bool
) -> dict:
    """The record of a workload."""
    by_threads, differing = {}, {}
    for n in threads:
        say(f"{workload.name}, {n} thread{'s' if n > 1 else ''}")
        by_threads[n], found = measure(workload, n, numbers, programs, quick)
        # Mostly the same for any number of threads.
        differing |= dict.fromkeys(found)
    record = {
        "name": workload.name,
        "title": workload.title,
        "unit": workload.unit.name,
        "rate": workload.unit.rate,
        "threads": threads,
        "contenders": [
            {
                "name": contender.name,
                "target": contender.target,
                "threads": {str(n): summarize(workload, contender, by_threads[n]) for n in threads},
            }
            for contender in workload.contenders
        ],
    }
    return record | ({"differences": list(differing)} if differing else {})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/compare/run", description="Compares fpo with its peers."
    )
    parser.add_argument(
        "--quick", action="store_true", help="few short rounds, for a first impression"
    )
    parser.add_argument(
        "--only",
        metavar="WORKLOAD",
        action="append",
        help="a workload or the beginning of its name; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="list the workloads")
    parser.add_argument(
        "--avx2",
        action="store_true",
        help="keep everybody to AVX2, as on a processor that has no more",
    )
    parser.add_argument("--threads", type=int, help="only this number of threads")
    parser.add_argument(
        "--baseline",
        metavar="PATH",
        type=Path,
        help="compare with another build instead: PATH is its program fpo-compare",
    )
    parser.add_argument("--worker", type=Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    baseline = options.baseline
    if baseline and not (baseline.is_file() and os.access(baseline, os.X_OK)):
        parser.error(f"argument --baseline: {baseline} is not a program")
    return options


def main() -> None:
    options = arguments()
    if options.avx2:
        os.environ["FPO_SIMD"] = "avx2"
    chosen = [w for w in WORKLOADS if not options.only or w.name.startswith(tuple(options.only))]
    if options.list:
        print("\n".join(f"{w.name:22} {w.title}" for w in WORKLOADS))
        return
    if not chosen:
        sys.exit(f"no workload begins with {' or '.join(options.only)}; --list lists them")
    # The only part that needs numpy; the tests of the others do without.
    import inputs

    programs = {"fpo": options.worker}
    record = {"machine": machine.describe(), "quick": options.quick, "workloads": []}
    if options.baseline:
        programs["baseline"] = options.baseline
        record["baseline"] = str(options.baseline)
        chosen = [beside_baseline(workload) for workload in chosen]
    if record["machine"]["avx2_only"]:
        chosen = [without_wider_vectors(w) for w in chosen if w.vectors]
    cores = record["machine"]["cores"]
    started, busy = time.monotonic(), machine.busy_seconds()
    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "inputs.safetensors"
        inputs.write(numbers)
        for workload in chosen:
            threads = [n for n in workload.threads if n <= cores and options.threads in (None, n)]
            if threads:
                record["workloads"].append(
                    compare(workload, threads, numbers, programs, options.quick)
                )
    seconds = time.monotonic() - started
    others = machine.busy_seconds() - busy - Worker.spent - time.process_time()
    record["machine"]["others"] = max(others, 0) / (seconds * os.cpu_count())
    say(f"took {seconds / 60:.1f} minutes")
    print(table.markdown(record))
    if options.quick or options.only or options.threads or options.baseline:
        say("not recorded: only full runs beside peers are")
        return
    kind = record["machine"]["instructions"]
    path = RESULTS / f"compare-{kind.lower()}.json"
    table.insert(PAGE, kind, table.markdown(record))
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    say(f"recorded in {path.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except (NotTheSameWork, WorkerFailed) as reason:
        sys.exit(str(reason))
