//! Constants of the elementary functions; printed by `scripts/derive_coefficients.py`.
#![cfg_attr(rustfmt, rustfmt_skip)]

/// The constants that the functions of the [module](super) need for an element type.
pub trait Constants: Sized + 'static {
    /// 1 / ln 2
    const LOG2_E: Self;
    /// The leading bits of ln 2, so few that n · `LN2_HIGH` is exact for every exponent n.
    const LN2_HIGH: Self;
    /// ln 2 − `LN2_HIGH`
    const LN2_LOW: Self;
    /// Just above the last argument with a finite exponential; its own exponential is infinite.
    const EXP_MAX: Self;
    /// Just below the last argument with a nonzero exponential; its own exponential is zero.
    const EXP_MIN: Self;
    /// Just below the first argument whose eˣ − 1 rounds to −1; its own rounds to −1 too.
    const EXPM1_MIN: Self;
    /// Coefficients of r⁰, r², r⁴ … of the Q in eʳ − 1 = r + r² / 2 + r³ Q(r).
    const EXPM1_EVEN: &'static [Self];
    /// Coefficients of r¹, r³, r⁵ … of Q.
    const EXPM1_ODD: &'static [Self];
    /// Coefficients of s⁰, s², s⁴ … of the A in 2 atanh s = 2s + s³ A(s²).
    const ATANH: &'static [Self];
    /// tanh x as a quotient.
    const TANH: Quotient<Self>;
    /// 1 / (1 + e⁻ˣ) − 1/2 as a quotient, if that is faster than using the exponential.
    const GATE: Option<Quotient<Self>>;
}

/// x P(x²) / Q(x²) for |x| up to `limit`; larger arguments get the value at `limit`.
pub struct Quotient<T: 'static> {
    /// The largest argument.
    pub limit: T,
    /// Coefficients of P, the first of which is 1.
    pub above: &'static [T],
    /// Coefficients of Q.
    pub below: &'static [T],
}

// Largest relative errors of the polynomials: 2^-31.3 (EXPM1), 2^-27.7 (ATANH).
impl Constants for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN2_HIGH: Self = 0.69314575;
    const LN2_LOW: Self = 1.4286068e-06;
    const EXP_MAX: Self = 88.896126;
    const EXP_MIN: Self = -104.14536;
    const EXPM1_MIN: Self = -18.3684;
    const EXPM1_EVEN: &'static [Self] = &[
        0.16666666,
        0.008333419,
        0.00019824128,
    ];
    const EXPM1_ODD: &'static [Self] = &[
        0.04166648,
        0.0013933245,
    ];
    const ATANH: &'static [Self] = &[
        0.6666642,
        0.40021527,
        0.28001806,
        0.28011987,
    ];
    // Largest relative error: 2^-28.4.
    const TANH: Quotient<Self> = Quotient {
        limit: 7.9294844,
        above: &[
            1.0,
            0.13714299,
            0.0039111143,
            2.8850987e-05,
            3.252631e-08,
            -1.35557685e-11,
        ],
        below: &[
            1.0,
            0.47047633,
            0.027403211,
            0.00040133842,
            1.3451718e-06,
        ],
    };
    const GATE: Option<Quotient<Self>> = Some(Quotient {
        limit: 15.858969,
        above: &[
            1.0,
            0.034285747,
            0.00024444464,
            4.5079668e-07,
            1.270559e-10,
            -1.3238055e-14,
        ],
        below: &[
            4.0,
            0.47047633,
            0.006850803,
            2.5083651e-05,
            2.1018309e-08,
        ],
    });
}

// Largest relative errors of the polynomials: 2^-55.2 (EXPM1), 2^-59.4 (ATANH).
impl Constants for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN2_HIGH: Self = 0.6931471805598903;
    const LN2_LOW: Self = 5.497923018708371e-14;
    const EXP_MAX: Self = 709.955999688524;
    const EXP_MIN: Self = -745.3065058970811;
    const EXPM1_MIN: Self = -38.46966852107696;
    const EXPM1_EVEN: &'static [Self] = &[
        0.16666666666666602,
        0.00833333333338835,
        0.00019841269709401424,
        2.7557425050752822e-06,
        2.5045896950779585e-08,
    ];
    const EXPM1_ODD: &'static [Self] = &[
        0.041666666666620035,
        0.0013888888920480914,
        2.4801516389521413e-05,
        2.762220821197996e-07,
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
    // Largest relative error: 2^-58.4.
    const TANH: Quotient<Self> = Quotient {
        limit: 18.017825000000002,
        above: &[
            1.0,
            0.1526206463579926,
            0.0060974048032743575,
            9.831389066674705e-05,
            7.533496759117638e-07,
            2.9118247447879795e-09,
            5.632795612038269e-12,
            5.035067481016478e-15,
            1.6875119331381288e-18,
            1.0669124625983453e-22,
            -2.8947060933731803e-27,
        ],
        below: &[
            1.0,
            0.4859539796913259,
            0.034748731367049715,
            0.0008556143557604459,
            9.393209366135544e-06,
            5.096894736699281e-08,
            1.4006442214667221e-10,
            1.8709430146334165e-13,
            1.0654587267007659e-16,
            1.824564891497384e-20,
        ],
    };
    const GATE: Option<Quotient<Self>> = None;
}
