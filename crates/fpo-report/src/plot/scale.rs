//! Scales from values to pixels, and labels of axes.

/// A linear map from a range of values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// The unit of an axis, which determines the format of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number.
    Plain,
    /// A count: `1 M`, `250 k`.
    Count,
    /// Seconds of time: `30 s`, `5 min`.
    Seconds,
    /// A share: `0` to `1`.
    Share,
}

impl Scale {
    /// Values from `low` to `high` to pixels from `from` to `to`. A range without extent is
    /// widened.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() {
            (held(low), held(high))
        } else {
            (0.0, 1.0)
        };
        // So little that its ticks would be the same number.
        let least = 1e-9 * low.abs().max(high.abs()).max(1e-290);
        let spare = if high - low > least {
            0.0
        } else {
            0.5 * low.abs().max(1e-3)
        };
        Self {
            low: low - spare,
            high: high + spare,
            from,
            to,
        }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (held(value) - self.low) / (self.high - self.low);
        self.from + (self.to - self.from) * share
    }

    /// The pixel of the value in the range that is nearest to `value`.
    pub(super) fn within(&self, value: f64) -> f64 {
        self.at(value.clamp(self.low, self.high))
    }

    /// Round values within the range, about `wanted` of them, with their labels.
    pub(super) fn ticks(&self, wanted: usize, unit: Unit) -> Vec<(f64, String)> {
        let step = step((self.high - self.low) / wanted.max(1) as f64, unit);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        let values: Vec<f64> = (first..=last).map(|k| k as f64 * step).collect();
        let labels = labels(&values, step, unit);
        values.into_iter().zip(labels).collect()
    }
}

/// `value`, or the nearest whose differences and multiples are finite: an untrusted file may have
/// any number.
fn held(value: f64) -> f64 {
    value.clamp(-1e300, 1e300)
}

/// The smallest round step that is not below `rough`.
fn step(rough: f64, unit: Unit) -> f64 {
    if unit == Unit::Seconds {
        let rounds = [
            1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
            7200.0, 14400.0, 43200.0, 86400.0,
        ];
        if let Some(round) = rounds
            .into_iter()
            .find(|round| *round >= rough)
            .filter(|_| rough > 0.5)
        {
            return round;
        }
    }
    let power = libm::pow(10.0, libm::log10(rough).floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= rough * 0.999);
    round.unwrap_or(10.0) * power
}

fn labels(values: &[f64], step: f64, unit: Unit) -> Vec<String> {
    let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let (divisor, suffix) = match unit {
        Unit::Count if largest >= 1e9 => (1e9, " G"),
        Unit::Count if largest >= 1e6 => (1e6, " M"),
        Unit::Count if largest >= 1e3 => (1e3, " k"),
        Unit::Seconds if largest >= 7200.0 => (3600.0, " h"),
        Unit::Seconds if largest >= 120.0 => (60.0, " min"),
        Unit::Seconds => (1.0, " s"),
        _ => (1.0, ""),
    };
    if unit != Unit::Count
        && unit != Unit::Seconds
        && largest > 0.0
        && !(1e-4..1e6).contains(&largest)
    {
        return values
            .iter()
            .map(|v| {
                if *v == 0.0 {
                    "0".to_owned()
                } else {
                    format!("{v:.1e}")
                }
            })
            .collect();
    }
    // As many decimals as distinguish one step from the next.
    let decimals = (0..6).find(|d| {
        let scaled = step / divisor * 10f64.powi(*d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let decimals = decimals.unwrap_or(6) as usize;
    let label = |value: &f64| {
        if *value == 0.0 {
            "0".to_owned()
        } else {
            format!("{:.decimals$}{suffix}", value / divisor)
        }
    };
    values.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(low: f64, high: f64, wanted: usize, unit: Unit) -> Vec<String> {
        let ticks = Scale::new(low, high, 0.0, 100.0).ticks(wanted, unit);
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels_of(0.0, 1.0, 4, Unit::Share),
            ["0", "0.25", "0.50", "0.75", "1.00"]
        );
        assert_eq!(
            labels_of(0.0, 2e6, 4, Unit::Count),
            ["0", "0.5 M", "1.0 M", "1.5 M", "2.0 M"]
        );
        assert_eq!(
            labels_of(0.0, 100.0, 4, Unit::Seconds),
            ["0", "30 s", "60 s", "90 s"]
        );
        assert_eq!(
            labels_of(0.0, 1000.0, 4, Unit::Seconds),
            ["0", "5 min", "10 min", "15 min"]
        );
        assert_eq!(
            labels_of(-12.0, 20.0, 4, Unit::Plain),
            ["-10", "0", "10", "20"]
        );
        assert_eq!(
            labels_of(1e-7, 3e-7, 2, Unit::Plain),
            ["1.0e-7", "2.0e-7", "3.0e-7"]
        );
    }

    /// Any two numbers that a file may hold.
    #[test]
    fn extreme_ranges_have_few_ticks_and_finite_places() {
        let most = f64::MAX;
        let numbers = [
            0.0,
            4.9e-324,
            1e-320,
            1e-300,
            1.0,
            1.0 + 1e-15,
            1e19,
            1e308,
            most,
        ];
        let numbers = numbers.iter().flat_map(|x| [-x, *x]);
        let numbers: Vec<f64> = numbers.collect();
        for low in &numbers {
            for high in numbers.iter().filter(|high| low <= high) {
                let scale = Scale::new(*low, *high, 0.0, 100.0);
                for unit in [Unit::Plain, Unit::Count, Unit::Seconds, Unit::Share] {
                    assert!(scale.ticks(4, unit).len() < 20, "{low:e} {high:e}");
                }
                for value in &numbers {
                    assert!(scale.at(*value).is_finite(), "{low:e} {high:e} {value:e}");
                }
            }
        }
    }

    #[test]
    fn a_range_without_extent_has_a_middle() {
        let scale = Scale::new(3.0, 3.0, 0.0, 100.0);
        assert_eq!(scale.at(3.0), 50.0);
        assert_eq!([-9.0, 99.0].map(|value| scale.within(value)), [0.0, 100.0]);
        assert!(!scale.ticks(4, Unit::Plain).is_empty());
        for (low, high) in [(f64::NAN, 1.0), (0.0, f64::INFINITY), (0.0, 0.0)] {
            let scale = Scale::new(low, high, 0.0, 100.0);
            assert!(scale.at(0.5).is_finite() && scale.ticks(4, Unit::Seconds).len() < 20);
        }
    }
}
