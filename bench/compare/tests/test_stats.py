import unittest

import stats


class Stats(unittest.TestCase):
    def test_quantiles_lie_between_neighbors(self):
        numbers = [4.0, 1.0, 3.0, 2.0]
        self.assertEqual([stats.quantile(numbers, q) for q in (0, 0.5, 1)], [1.0, 2.5, 4.0])
        self.assertAlmostEqual(stats.quantile(numbers, 0.1), 1.3)
        self.assertEqual(stats.quantile([7.0], 0.9), 7.0)

    def test_ratios_are_taken_round_by_round(self):
        # The machine was half as fast in the second round: the times changed, the ratio did not.
        self.assertEqual(stats.ratio([1, 2, 1], [4, 8, 4]), stats.Spread(0.25, 0.25, 0.25))

    def test_rounds_must_match(self):
        with self.assertRaises(ValueError):
            stats.ratio([1, 2], [1])
