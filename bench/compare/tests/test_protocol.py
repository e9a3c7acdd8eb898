import json
import subprocess
import sys
import unittest
from pathlib import Path

WORKERS = Path(__file__).parents[1] / "workers"
#: A worker whose calls take 50 ms.
SLOW = """
import time
from protocol import Workload, serve
serve(lambda request: Workload(lambda: time.sleep(0.05), {}))
"""


def answers(*requests: dict) -> list[dict]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        input=lines,
        capture_output=True,
        text=True,
        cwd=WORKERS,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class Protocol(unittest.TestCase):
    def test_a_call_is_timed(self):
        prepared, run = answers(
            {"cmd": "prepare", "longest": 3600}, {"cmd": "run", "seconds": 0, "least": 2}
        )
        self.assertEqual(prepared, {"items": 1, "check": {}, "facts": {}})
        self.assertEqual([seconds >= 0.05 for seconds in run["seconds"]], [True, True])

    def test_who_takes_too_long_is_left_out(self):
        (answer,) = answers({"cmd": "prepare", "longest": 0.01})
        self.assertRegex(
            answer["unavailable"],
            r"^a call takes \d+\.\d s; the limit is 0\.01 s$",
        )
