import tempfile
import unittest
from pathlib import Path

import table


def spread(median):
    return {"median": median, "p10": median * 0.9, "p90": median * 1.1}


WORKLOAD = {
    "title": "Work",
    "unit": "ms",
    "rate": False,
    "threads": [1, 2],
    "contenders": [
        {
            "name": "fpo",
            "target": None,
            "threads": {"1": {"figure": spread(10)}, "2": {"figure": spread(5)}},
        },
        {
            "name": "peer",
            "target": 0.5,
            "threads": {
                "1": {"figure": spread(40), "ratio": spread(0.25)},
                "2": {"unavailable": "no compiler"},
            },
        },
    ],
}


class Table(unittest.TestCase):
    def test_three_digits(self):
        for x, text in [
            (1234.5, "1234"),
            (123.4, "123"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.01234, "0.012"),
        ]:
            self.assertEqual(table.number(x), text)

    def test_a_section(self):
        self.assertEqual(
            table.section(WORKLOAD).splitlines(),
            [
                "### Work",
                "",
                "|  | ms, 1 thread | fpo / it | ms, 2 threads | fpo / it | target |",
                "| --- | ---: | ---: | ---: | ---: | --- |",
                "| fpo | 10.0 (9.00–11.0) |  | 5.00 (4.50–5.50) |  |  |",
                "| peer | 40.0 (36.0–44.0) | 0.250 | – |  | ≤ 0.5, met |",
                "",
                "Not measured: peer (no compiler).",
            ],
        )

    def test_what_has_no_peer_is_compared_with_itself(self):
        ours = WORKLOAD["contenders"][:1]
        for rate, text in [(False, "2.00"), (True, "0.500")]:
            last = table.section(WORKLOAD | {"contenders": ours, "rate": rate}).splitlines()[-1]
            self.assertEqual(last, f"From 1 thread to 2: {text} times as fast.")

    def test_a_target_is_missed_by_its_worst_ratio(self):
        self.assertEqual(table.verdict(0.5, False, [0.4, 0.6]), "≤ 0.5, **missed**")
        self.assertEqual(table.verdict(2.5, True, [2.4, 3.0]), "≥ 2.5, **missed**")
        self.assertEqual(table.verdict(2.5, True, [2.5, 3.0]), "≥ 2.5, met")
        self.assertEqual(table.verdict(2.5, True, []), "≥ 2.5")

    def test_only_what_is_between_the_markers_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            begin, end = table.markers("AVX2")
            page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
            table.insert(page, "AVX2", "new")
            self.assertEqual(
                page.read_text(), f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
            )
            page.write_text("no markers")
            with self.assertRaises(ValueError):
                table.insert(page, "AVX2", "new")
