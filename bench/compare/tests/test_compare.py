import unittest

import compare
from contenders import MILLISECONDS, Contender, Workload
from worker import WorkerFailed

WORKLOAD = Workload(
    "work",
    "Work",
    MILLISECONDS,
    [Contender("fpo", "fpo", {}), Contender("peer", "peer", {})],
)


class Check(unittest.TestCase):
    def test_other_work_is_rejected(self):
        ours = {"check": {"loss": 1.0}}
        compare.check(WORKLOAD, {"fpo": ours, "peer": {"check": {"loss": 1.0001}}})
        compare.check(WORKLOAD, {"fpo": ours, "peer": {"unavailable": "no compiler"}})
        with self.assertRaisesRegex(
            compare.NotTheSameWork, "^work: peer does not do the work of fpo: loss: 2 instead of 1$"
        ):
            compare.check(WORKLOAD, {"fpo": ours, "peer": {"check": {"loss": 2.0}}})

    def test_the_reference_has_to_work(self):
        with self.assertRaisesRegex(WorkerFailed, "^work: fpo: no such setting$"):
            compare.check(WORKLOAD, {"fpo": {"unavailable": "no such setting"}, "peer": {}})
