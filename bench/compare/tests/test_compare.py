import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

import compare
import table
from contenders import MILLISECONDS, WORKLOADS, Contender, Workload, beside_baseline
from worker import WorkerFailed

WORKLOAD = Workload(
    "work",
    "Work",
    MILLISECONDS,
    [Contender("fpo", "fpo", {}), Contender("peer", "peer", {}, target=0.5)],
    threads=[1],
)

#: A worker that answers what it is told to.
PROGRAM = """#!{python}
import json
import sys
for line in sys.stdin:
    prepare = json.loads(line)["cmd"] == "prepare"
    print(json.dumps({prepared!r} if prepare else {{"seconds": [{seconds}]}}), flush=True)
"""

#: A worker that knows no work.
IGNORANT = """#!{python}
import sys
sys.exit("a request: unknown variant")
"""


def program(path: Path, text: str, **values) -> Path:
    path.write_text(text.format(python=sys.executable, **values))
    path.chmod(0o755)
    return path


def worker(path: Path, loss: float, seconds: float) -> Path:
    prepared = {"items": 1, "check": {"loss": loss}, "facts": {}}
    return program(path, PROGRAM, prepared=prepared, seconds=seconds)


class Differences(unittest.TestCase):
    def test_other_work_is_told(self):
        ours = {"check": {"loss": 1.0}}
        for theirs, sentences in [
            ({"check": {"loss": 1.0001}}, []),
            ({"unavailable": "no compiler"}, []),
            (
                {"check": {"loss": 2.0}},
                ["peer does not do the work of fpo: loss: 2 instead of 1"],
            ),
        ]:
            found = compare.differences(WORKLOAD, {"fpo": ours, "peer": theirs})
            self.assertEqual(found, sentences)

    def test_the_reference_has_to_work(self):
        with self.assertRaisesRegex(WorkerFailed, "^work: fpo: no such setting$"):
            compare.differences(WORKLOAD, {"fpo": {"unavailable": "no such setting"}, "peer": {}})

    def test_another_build_is_held_to_its_own_counterpart(self):
        contenders = [Contender("f32", "fpo", {}), Contender("bf16", "fpo", {}, tolerance=0.5)]
        workload = beside_baseline(Workload("work", "Work", MILLISECONDS, contenders))
        answers = {
            name: {"check": {"loss": loss}}
            for name, loss in [
                ("f32", 1.0),
                ("f32, baseline", 1.0),
                ("bf16", 1.4),
                ("bf16, baseline", 2.0),
            ]
        }
        self.assertEqual(compare.differences(workload, answers), [])
        answers["bf16"] = {"unavailable": "no such processor"}
        self.assertEqual(compare.differences(workload, answers), [])
        answers["f32, baseline"] = {"check": {"loss": 1.1}}
        self.assertEqual(
            compare.differences(workload, answers),
            ["f32, baseline does not do the work of f32: loss: 1.1 instead of 1"],
        )


class Baseline(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.new = worker(self.folder / "new", 1.0, 0.02)

    def section(self, old: Path) -> list[str]:
        """The table of a quick run beside the program `old`."""
        programs = {"fpo": self.new, "baseline": old}
        workload = beside_baseline(WORKLOAD)
        with contextlib.redirect_stderr(io.StringIO()):
            record = compare.compare(workload, workload.threads, self.folder, programs, True)
        return table.section(record, builds=True).splitlines()

    def test_only_this_projects_contenders_take_part(self):
        for workload in map(beside_baseline, WORKLOADS):
            self.assertEqual({c.worker for c in workload.contenders}, {"fpo", "baseline"})
            new, old = workload.contenders[:2]
            self.assertEqual((old.name, old.request), (f"{new.name}, baseline", new.request))

    def test_the_ratio_is_of_the_new_build_to_the_old(self):
        self.assertEqual(
            self.section(worker(self.folder / "old", 1.0, 0.01)),
            [
                "### Work",
                "",
                "|  | ms, 1 thread | new / old |",
                "| --- | ---: | ---: |",
                "| fpo | 20.0 (20.0–20.0) |  |",
                "| fpo, baseline | 10.0 (10.0–10.0) | 2.00 (2.00–2.00) |",
            ],
        )

    def test_other_results_are_reported(self):
        lines = self.section(worker(self.folder / "old", 2.0, 0.01))
        self.assertIn("2.00 (2.00–2.00)", lines[-3])
        self.assertEqual(
            lines[-1], "fpo, baseline does not do the work of fpo: loss: 2 instead of 1"
        )

    def test_a_build_that_does_not_know_the_work_is_left_out(self):
        lines = self.section(program(self.folder / "old", IGNORANT))
        self.assertEqual(lines[-1], "Not measured: fpo, baseline (a request: unknown variant).")

    def test_peers_must_not_differ(self):
        workload = Workload(
            "work",
            "Work",
            MILLISECONDS,
            [Contender("fpo", "fpo", {}), Contender("peer", "peer", {})],
        )
        programs = {"fpo": self.new, "peer": worker(self.folder / "peer", 2.0, 0.01)}
        with (
            contextlib.redirect_stderr(io.StringIO()),
            self.assertRaisesRegex(
                compare.NotTheSameWork,
                "^work: peer does not do the work of fpo: loss: 2 instead of 1$",
            ),
        ):
            compare.measure(workload, 1, self.folder, programs, True)
