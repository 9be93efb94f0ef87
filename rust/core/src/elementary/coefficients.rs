//! Constants of the elementary functions; printed by `scripts/derive_coefficients.py`.

/// What [`super::exp`], [`super::tanh`] and [`super::sigmoid`] need to know of an element type.
pub trait Constants: Sized + 'static {
    /// 1 / ln 2
    const LOG2_E: Self;
    /// The leading bits of ln 2, so few that n · `LN2_HIGH` is exact for every exponent n.
    const LN2_HIGH: Self;
    /// ln 2 − `LN2_HIGH`
    const LN2_LOW: Self;
    /// Coefficients of r⁰, r², r⁴ … of the P in eʳ − 1 = r + r² P(r), |r| ≤ ln 2 / 2.
    const EXPM1_EVEN: &'static [Self];
    /// Coefficients of r¹, r³, r⁵ … of P.
    const EXPM1_ODD: &'static [Self];
    /// Above the last argument with a finite exponential; its own exponential is infinite.
    const EXP_MAX: Self;
    /// Below the last argument with a nonzero exponential; its own exponential is zero.
    const EXP_MIN: Self;
    /// Above the first argument whose tanh rounds to 1; here e²ˣ + 2 rounds to e²ˣ.
    const TANH_MAX: Self;
}

// Largest relative error of the polynomial: 2^-26.2.
impl Constants for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN2_HIGH: Self = 0.69314575;
    const LN2_LOW: Self = 1.4286068e-06;
    const EXPM1_EVEN: &'static [Self] = &[0.49999997, 0.0416672, 0.0013882524];
    const EXPM1_ODD: &'static [Self] = &[0.16666543, 0.008366514];
    const EXP_MAX: Self = 88.896126;
    const EXP_MIN: Self = -104.14536;
    const TANH_MAX: Self = 9.1842;
}

// Largest relative error of the polynomial: 2^-55.6.
impl Constants for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN2_HIGH: Self = 0.6931471805598903;
    const LN2_LOW: Self = 5.497923018708371e-14;
    const EXPM1_EVEN: &'static [Self] = &[
        0.5000000000000006,
        0.041666666666576826,
        0.0013888888931539443,
        2.480150530642488e-05,
        2.7626024203196273e-07,
    ];
    const EXPM1_ODD: &'static [Self] = &[
        0.16666666666666588,
        0.008333333333389507,
        0.0001984126971908156,
        2.7557407506399274e-06,
        2.5053774878777672e-08,
    ];
    const EXP_MAX: Self = 709.955999688524;
    const EXP_MIN: Self = -745.3065058970811;
    const TANH_MAX: Self = 19.23483426053848;
}
