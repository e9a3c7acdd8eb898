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
from contenders import WORKLOADS, Contender, Workload
from worker import Worker, WorkerFailed, python

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "compare.json"
PAGE = ROOT / "docs" / "notes" / "speed.md"

#: Seconds between two contenders, so that threads that spin after their work fall asleep.
PAUSE = 0.05
#: The error of a worker whose library is not installed.
MISSING = re.compile(
    r"ModuleNotFoundError: No module named "
    r"'(envpool|gymnasium|jax|onnx|onnxruntime|stable_baselines3|torch)'"
)
#: Rounds of a quick run, and their length as a fraction of a full run's.
QUICK_ROUNDS, QUICK_FRACTION = 3, 0.3


class NotTheSameWork(Exception):
    """Contenders whose results differ."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(
    contender: Contender, threads: int, longest: float, numbers: Path, ours: Path
) -> tuple[Worker, dict]:
    """A worker that has done the work once, and its answer."""
    started = time.monotonic()
    worker = Worker(
        [str(ours.absolute())] if contender.worker == "fpo" else python(contender.worker), threads
    )
    request = {
        "cmd": "prepare",
        "threads": threads,
        "inputs": str(numbers),
        "longest": longest,
        **contender.request,
    }
    try:
        answer = worker.ask(request)
    except WorkerFailed as reason:
        if found := MISSING.fullmatch((str(reason).strip().splitlines() or [""])[-1]):
            say(f"    {contender.name}: {found[1]} is not installed")
            return worker, {"unavailable": f"{found[1]} is not installed"}
        worker.end()
        raise WorkerFailed(f"{contender.name}: {reason}") from None
    say(
        f"    {contender.name}: {answer.get('unavailable', 'ready')} "
        f"after {time.monotonic() - started:.0f} s"
    )
    return worker, answer


def check(workload: Workload, answers: dict[str, dict]) -> None:
    """Rejects contenders whose work differs from that of the first, which must do it."""
    first, *others = workload.contenders
    if why := answers[first.name].get("unavailable"):
        raise WorkerFailed(f"{workload.name}: {first.name}: {why}")
    for contender in (c for c in others if "check" in answers[c.name]):
        ours, theirs = answers[first.name]["check"], answers[contender.name]["check"]
        if found := checks.differences(ours, theirs, contender.tolerance):
            raise NotTheSameWork(
                f"{workload.name}: {contender.name} does not do the work of {first.name}: "
                f"{'; '.join(found)}"
            )


def measure(
    workload: Workload, threads: int, numbers: Path, ours: Path, quick: bool
) -> dict[str, dict]:
    """Results by contender: its report and the seconds of an item, round by round."""
    workers, results = {}, {}
    try:
        for contender in workload.contenders:
            workers[contender.name], results[contender.name] = prepare(
                contender, threads, workload.longest, numbers, ours
            )
        check(workload, results)
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
    return results


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


def compare(workload: Workload, threads: list[int], numbers: Path, ours: Path, quick: bool) -> dict:
    """The record of a workload."""
    by_threads = {}
    for n in threads:
        say(f"{workload.name}, {n} thread{'s' if n > 1 else ''}")
        by_threads[n] = measure(workload, n, numbers, ours, quick)
    return {
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
    parser.add_argument("--threads", type=int, help="only this number of threads")
    parser.add_argument("--worker", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    chosen = [w for w in WORKLOADS if not options.only or w.name.startswith(tuple(options.only))]
    if options.list:
        print("\n".join(f"{w.name:22} {w.title}" for w in WORKLOADS))
        return
    if not chosen:
        sys.exit(f"no workload begins with {' or '.join(options.only)}; --list lists them")
    # The only part that needs numpy; the tests of the others do without.
    import inputs

    record = {"machine": machine.describe(), "quick": options.quick, "workloads": []}
    cores = record["machine"]["cores"]
    started, busy = time.monotonic(), machine.busy_seconds()
    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "inputs.safetensors"
        inputs.write(numbers)
        for workload in chosen:
            threads = [n for n in workload.threads if n <= cores and options.threads in (None, n)]
            if threads:
                record["workloads"].append(
                    compare(workload, threads, numbers, options.worker, options.quick)
                )
    seconds = time.monotonic() - started
    others = machine.busy_seconds() - busy - Worker.spent - time.process_time()
    record["machine"]["others"] = max(others, 0) / (seconds * os.cpu_count())
    say(f"took {seconds / 60:.1f} minutes")
    print(table.markdown(record))
    if options.quick or options.only or options.threads:
        say("not recorded: only full runs are")
        return
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    table.insert(PAGE, table.markdown(record))
    say(f"recorded in {RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except (NotTheSameWork, WorkerFailed) as reason:
        sys.exit(str(reason))
