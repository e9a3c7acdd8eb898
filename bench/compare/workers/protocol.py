"""How a worker talks to the harness: a JSON object a line on its standard input, an answer a line
on its output.

    {"cmd": "prepare", "work": …, "threads": …, "inputs": …, "longest": …, …}
        →  {"items": …, "check": {…}, "facts": {…}}
    {"cmd": "run", "seconds": …, "least": …}
        →  {"seconds": [… of one call each]}

What cannot run here, or takes more than `longest` seconds a call (of the peers; our own is the
measure), answers {"unavailable": "why"}. A worker ends when its input does.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: A timing shorter than this says more about the clock than about the work.
SHORTEST = 1e-3


class Unavailable(Exception):
    """A contender that this machine or these versions cannot run."""


@dataclass
class Workload:
    """Work to be timed."""

    #: Does it once.
    call: Callable[[], object]
    #: What is compared with the other contenders.
    check: dict
    #: Updates, actions or steps a call does.
    items: int = 1
    #: Facts to be recorded beside the results.
    facts: dict = field(default_factory=dict)


def timed(call: Callable[[], object], times: int) -> float:
    """Seconds of one of `times` calls in a row."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def serve(make: Callable[[dict], Workload]) -> None:
    """Answers requests with the workload that `make` makes of the first one."""
    # Libraries may print what they like, but not into the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    workload, times = None, 1
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "prepare":
            try:
                workload = make(request)
                # The second opinion is for a machine that was busy with something else.
                once = timed(workload.call, 1)
                if (once := min(once, timed(workload.call, 1))) > request["longest"]:
                    raise Unavailable(
                        f"a call takes {once:.1f} s; "
                        f"nobody is waited for longer than {request['longest']:g} s"
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
