//! Human-readable numbers.

/// A number of unknown size in about `digits` digits, without an exponent if it is readable; a dash
/// if it is not finite.
pub fn format_number(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    let exponent = libm::log10(x.abs()).floor() as i32;
    if !(-4..7).contains(&exponent) {
        return format!("{x:.*e}", digits.saturating_sub(1));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    format!("{x:.decimals$}")
}

/// Related numbers, all with the same decimals, so that the largest has about `digits` digits.
pub fn alike<const N: usize>(figures: [f64; N], digits: usize) -> [String; N] {
    let sizes = figures.iter().map(|x| x.abs()).filter(|x| x.is_finite());
    let largest = format_number(sizes.fold(0.0, f64::max), digits);
    // They also share the exponent, so that the digits can be compared.
    let (digits_of_it, exponent) = largest.split_once('e').unwrap_or((&largest, ""));
    let decimals = digits_of_it
        .split_once('.')
        .map_or(0, |(_, after)| after.len());
    let unit = exponent
        .parse()
        .map_or(1.0, |exponent: i32| 10f64.powi(exponent));
    figures.map(|x| match (x.is_finite(), exponent) {
        (false, _) => "–".to_owned(),
        (true, "") => format!("{x:.decimals$}"),
        (true, exponent) => format!("{:.decimals$}e{exponent}", x / unit),
    })
}

/// A mean and its error: `961.5 ± 0.5`.
pub fn with_error(mean: f64, error: f64, digits: usize) -> String {
    alike([mean, error], digits).join(" ± ")
}

/// Seconds as `42 s`, `3 min 07 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "–".to_owned();
    }
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let figures = [0.0, 0.5, 0.0312, 812.34, 1_234_567.8, 1e9, -2e-7, f64::NAN]
            .map(|x| format_number(x, 3));
        assert_eq!(
            figures,
            [
                "0", "0.500", "0.0312", "812", "1234568", "1.00e9", "-2.00e-7", "–"
            ]
        );
        assert_eq!(
            [0.4, 187.0, 7500.0].map(duration),
            ["0 s", "3 min 07 s", "2 h 05 min"]
        );
    }

    #[test]
    fn a_mean_and_its_error_have_the_same_decimals() {
        for (mean, error, text) in [
            (961.5, 0.522, "961.5 ± 0.5"),
            (0.27084, 0.36457, "0.2708 ± 0.3646"),
            (0.31, 12.345, "0.31 ± 12.35"),
            (-99.5, 0.0, "-99.50 ± 0.00"),
            (12_345.6, 7.8, "12346 ± 8"),
            (0.0, 0.0, "0 ± 0"),
            (1.5e9, 2.5e7, "1.500e9 ± 0.025e9"),
            (2e-6, 1e-7, "2.000e-6 ± 0.100e-6"),
            (5.0, f64::NAN, "5.000 ± –"),
        ] {
            assert_eq!(with_error(mean, error, 4), text);
        }
        assert_eq!(
            alike([961.52, 0.522, 0.0, 1000.0], 4),
            ["962", "1", "0", "1000"]
        );
    }
}
