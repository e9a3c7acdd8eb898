import unittest

from checks import differences


class Checks(unittest.TestCase):
    def test_numbers_within_the_tolerance(self):
        self.assertEqual(differences({"loss": -2.0}, {"loss": -2.001}, 1e-3), [])
        self.assertEqual(
            differences({"loss": -2.0}, {"loss": -2.1}, 1e-3), ["loss: -2.1 instead of -2"]
        )
        self.assertEqual(
            differences({"loss": -2.0}, {"loss": float("nan")}, 1e-3), ["loss: nan instead of -2"]
        )

    def test_what_is_not_reported_differs(self):
        self.assertEqual(len(differences({"loss": 1.0}, {}, 1.0)), 1)

    def test_whole_numbers_are_exact(self):
        self.assertEqual(len(differences({"steps": 1000}, {"steps": 1001}, 0.1)), 1)

    def test_every_entry_of_a_list_counts(self):
        ours = {"actions": [3.0, 0.0, -3.0]}
        self.assertEqual(differences(ours, {"actions": [3.0, 0.002, -3.0]}, 1e-3), [])
        self.assertEqual(len(differences(ours, {"actions": [3.0, 0.003, -3.0]}, 1e-3)), 1)
        self.assertEqual(len(differences(ours, {"actions": [3.0, 0.0]}, 1e-3)), 1)

    def test_means_are_held_to_their_errors(self):
        ours = {"return": {"mean": 10.0, "error": 0.3}}
        self.assertEqual(differences(ours, {"return": {"mean": 12.4, "error": 0.4}}, 0), [])
        self.assertEqual(
            differences(ours, {"return": {"mean": 12.6, "error": 0.4}}, 0),
            ["return: 12.60 ± 0.40 instead of 10.00 ± 0.30"],
        )
