//! Human-readable numbers.

pub(crate) use fpo_files::count;

/// Three digits and a unit: `45.2k`, `1.25M`.
pub(crate) fn rate(x: f64) -> String {
    let (scaled, unit) = match x {
        x if !x.is_finite() => return "–".to_owned(),
        x if x >= 999.5e6 => (x / 1e9, "G"),
        x if x >= 999.5e3 => (x / 1e6, "M"),
        x if x >= 999.5 => (x / 1e3, "k"),
        x => (x, ""),
    };
    format!("{scaled:.*}{unit}", decimals(scaled))
}

/// A number of unknown size in about four digits, or a dash if there is none.
pub(crate) fn format_number(x: Option<f64>) -> String {
    match x {
        Some(x) if !x.is_finite() => "–".to_owned(),
        None => "–".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(x) if !(1e-3..1e6).contains(&x.abs()) => format!("{x:.2e}"),
        Some(x) if x.abs() < 1.0 => format!("{x:.4}"),
        Some(x) => format!("{x:.*}", decimals(x.abs()).max(usize::from(x.abs() < 1e4))),
    }
}

fn decimals(x: f64) -> usize {
    match x {
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    }
}

/// Seconds as `42s`, `3m07s`, `2h05m`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "–".to_owned();
    }
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 1_250_000].map(count),
            ["0", "999", "1,000", "1,250,000"]
        );
        assert_eq!(
            [3.0, 99.96, 999.7, 45_230.0, 1.25e6].map(rate),
            ["3.00", "100", "1.00k", "45.2k", "1.25M"]
        );
        assert_eq!([0.4, 187.0, 7500.0].map(duration), ["0s", "3m07s", "2h05m"]);
        assert_eq!(
            [
                Some(812.34),
                Some(0.0312),
                Some(2e-5),
                Some(-3.5),
                Some(f64::NAN),
                None
            ]
            .map(format_number),
            ["812.3", "0.0312", "2.00e-5", "-3.50", "–", "–"]
        );
    }
}
