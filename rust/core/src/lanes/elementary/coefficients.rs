//! Constants of the elementary functions; printed by `scripts/derive_coefficients.py`.
#![cfg_attr(rustfmt, rustfmt_skip)]

/// What the functions of the [module](super) need to know of an element type.
pub trait Constants: Sized + 'static {
    /// 1 / ln 2
    const LOG2_E: Self;
    /// The leading bits of ln 2, so few that n · `LN2_HIGH` is exact for every exponent n.
    const LN2_HIGH: Self;
    /// ln 2 − `LN2_HIGH`
    const LN2_LOW: Self;
    /// Above the last argument with a finite exponential; its own exponential is infinite.
    const EXP_MAX: Self;
    /// Below the last argument with a nonzero exponential; its own exponential is zero.
    const EXP_MIN: Self;
    /// Above the first argument whose tanh rounds to 1; here e²ˣ + 2 rounds to e²ˣ.
    const TANH_MAX: Self;
    /// What tanh adds to 2x / ln 2 before it rounds that to an integer.
    const TANH_SHIFT: Self;
    /// The 2x below which tanh changes sides.
    const TANH_SMALL: Self;
    /// Coefficients of r⁰, r², r⁴ … of the Q in eʳ − 1 = r + r² / 2 + r³ Q(r).
    const EXPM1_EVEN: &'static [Self];
    /// Coefficients of r¹, r³, r⁵ … of Q.
    const EXPM1_ODD: &'static [Self];
    /// Coefficients of s⁰, s², s⁴ … of the A in 2 atanh s = 2s + s³ A(s²).
    const ATANH: &'static [Self];
    /// tanh x as a quotient, where that is faster than by the exponential.
    const TANH: Option<Quotient<Self>>;
    /// 1 / (1 + e⁻ˣ) − 1/2 as a quotient.
    const GATE: Option<Quotient<Self>>;
}

/// x P(x²) / Q(x²) for |x| up to `limit`; what is beyond has the value of `limit`.
pub struct Quotient<T: 'static> {
    /// The last argument.
    pub limit: T,
    /// Coefficients of P, the first of which is 1.
    pub above: &'static [T],
    /// Coefficients of Q.
    pub below: &'static [T],
}

// Largest relative errors of the polynomials: 2^-29.2 (EXPM1), 2^-27.7 (ATANH).
impl Constants for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN2_HIGH: Self = 0.69314575;
    const LN2_LOW: Self = 1.4286068e-06;
    const EXP_MAX: Self = 88.896126;
    const EXP_MIN: Self = -104.14536;
    const TANH_MAX: Self = 9.1842;
    const TANH_SHIFT: Self = -0.25;
    const TANH_SMALL: Self = 0.3;
    const EXPM1_EVEN: &'static [Self] = &[
        0.16666678,
        0.008330608,
        0.00021407589,
    ];
    const EXPM1_ODD: &'static [Self] = &[
        0.041666497,
        0.0013929526,
    ];
    const ATANH: &'static [Self] = &[
        0.6666642,
        0.40021527,
        0.28001806,
        0.28011987,
    ];
    // Largest relative error: 2^-28.3.
    const TANH: Option<Quotient<Self>> = Some(Quotient {
        limit: 7.951983,
        above: &[1.0, 0.13714352, 0.003911182, 2.8852639e-05, 3.253493e-08, -1.3573502e-11],
        below: &[1.0, 0.47047687, 0.027403457, 0.00040135084, 1.3453301e-06],
    });
    const GATE: Option<Quotient<Self>> = Some(Quotient {
        limit: 15.903966,
        above: &[1.0, 0.03428588, 0.00024444886, 4.5082248e-07, 1.2708957e-10, -1.3255373e-14],
        below: &[4.0, 0.47047687, 0.0068508643, 2.5084428e-05, 2.1020783e-08],
    });
}

// Largest relative errors of the polynomials: 2^-57.5 (EXPM1), 2^-59.4 (ATANH).
impl Constants for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN2_HIGH: Self = 0.6931471805598903;
    const LN2_LOW: Self = 5.497923018708371e-14;
    const EXP_MAX: Self = 709.955999688524;
    const EXP_MIN: Self = -745.3065058970811;
    const TANH_MAX: Self = 19.23483426053848;
    const TANH_SHIFT: Self = -0.25;
    const TANH_SMALL: Self = 0.3;
    const EXPM1_EVEN: &'static [Self] = &[
        0.16666666666666616,
        0.008333333333377315,
        0.00019841269741855848,
        2.7557386181758252e-06,
        2.5061554930408355e-08,
    ];
    const EXPM1_ODD: &'static [Self] = &[
        0.04166666666667215,
        0.0013888888885731864,
        2.480159371262353e-05,
        2.7551762791100637e-07,
        2.2634105487660508e-09,
    ];
    const ATANH: &'static [Self] = &[
        0.6666666666666631,
        0.40000000000155117,
        0.2857142854811796,
        0.22222223953650408,
        0.18181744478900128,
        0.1538654839701887,
        0.1330112131433326,
        0.12104945477201565,
        0.08344968735716576,
        0.17009762213257984,
    ];
    const TANH: Option<Quotient<Self>> = None;
    const GATE: Option<Quotient<Self>> = None;
}
