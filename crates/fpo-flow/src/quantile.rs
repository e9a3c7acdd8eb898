//! The quantile function of the standard normal distribution.

/// The standard normal quantile of probability `p`, to about seven digits: Wichura's algorithm AS
/// 241, PPND7 (Applied Statistics 37, 1988). `p` is clamped to [2⁻²⁵, 1 − 2⁻²⁵], so the result is
/// finite, |z| < 5.5, and the algorithm's third range (p below 10⁻¹¹) is never reached.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const TAIL: f64 = 1.0 / 33_554_432.0;
    let p = p.clamp(TAIL, 1.0 - TAIL);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        let top = cubic(
            r,
            [
                3.387_132_717_9,
                50.434_271_938,
                159.291_132_02,
                59.109_374_720,
            ],
        );
        return q * top / cubic(r, [1.0, 17.895_169_469, 78.757_757_664, 67.187_563_600]);
    }
    let r = (-libm::log(p.min(1.0 - p))).sqrt() - 1.6;
    let top = cubic(
        r,
        [
            1.423_437_277_7,
            2.756_815_390_0,
            1.306_728_481_6,
            0.170_238_211_03,
        ],
    );
    (top / cubic(r, [1.0, 0.737_001_642_50, 0.120_211_329_75, 0.0])).copysign(q)
}

/// `c₀ + c₁x + c₂x² + c₃x³`.
fn cubic(x: f64, c: [f64; 4]) -> f64 {
    c[0] + x * (c[1] + x * (c[2] + x * c[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_tables() {
        for (p, z) in [
            (2f64.powi(-25), -5.419_983_174_9),
            (1e-6, -4.753_424_308_8),
            (1e-3, -3.090_232_306_2),
            (0.07, -1.475_791_028_2),
            (0.075, -1.439_531_470_9),
            (0.25, -0.674_489_750_2),
            (0.5, 0.0),
            (0.9, 1.281_551_565_5),
        ] {
            assert!(
                (normal_quantile(p) - z).abs() < 1e-6,
                "{p}: {}",
                normal_quantile(p)
            );
            if p > 1e-4 {
                assert!((normal_quantile(1.0 - p) + z).abs() < 1e-6, "{}", 1.0 - p);
            }
        }
        assert!(normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
    }
}
