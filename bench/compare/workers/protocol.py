"""The protocol between a worker and the harness: one JSON object per line on its standard input,
one answer per line on its output.

    {"cmd": "prepare", "work": …, "threads": …, "inputs": …, "longest": …, …}
        →  {"items": …, "check": {…}, "facts": {…}}
    {"cmd": "run", "seconds": …, "least": …}
        →  {"seconds": [… of one call each]}

A workload that cannot run on this machine, or takes more than `longest` seconds per call (except
for this project's own worker, the reference), answers {"unavailable": "why"}. A worker ends when
its input ends.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: Minimum duration of a timing: shorter ones depend too much on the clock's resolution.
SHORTEST = 1e-3


class Unavailable(Exception):
    """A contender that cannot run on this machine or with these versions."""


@dataclass
class Workload:
    """A workload to time."""

    #: Runs it once.
    call: Callable[[], object]
    #: Values to compare with those of the other contenders.
    check: dict
    #: Updates, actions or steps per call.
    items: int = 1
    #: Facts to record beside the results.
    facts: dict = field(default_factory=dict)


def timed(call: Callable[[], object], times: int) -> float:
    """Seconds of one of `times` calls in a row."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def serve(make: Callable[[dict], Workload]) -> None:
    """Answers requests with the workload that `make` builds from the first one."""
    # Libraries may print to standard output, but not into the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    workload, times = None, 1
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "prepare":
            try:
                workload = make(request)
                # Measure again, in case the machine was busy with something else.
                once = timed(workload.call, 1)
                if (once := min(once, timed(workload.call, 1))) > request["longest"]:
                    raise Unavailable(
                        f"a call takes {once:.1f} s; "
                        f"the limit is {request['longest']:g} s"
                    )
                times = max(1, round(SHORTEST / once))
                answer = {"items": workload.items, "check": workload.check, "facts": workload.facts}
            except Unavailable as reason:
                answer = {"unavailable": str(reason)}
        else:
            seconds, end = [], time.perf_counter() + request["seconds"]
            while len(seconds) < request["least"] or time.perf_counter() < end:
                seconds.append(timed(workload.call, times))
            answer = {"seconds": seconds}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
