"""Derive the constants of src/elementary/coefficients.rs and print that file.

Requires mpmath (1.3 or newer). Run from the crate's folder:

    python3 scripts/derive_coefficients.py > src/elementary/coefficients.rs

Every function reduces its argument to a small r and evaluates

    e^r - 1 = r + r^2 / 2 + r^3 Q(r),

where Q is the polynomial whose largest *relative* error in e^r - 1 is smallest (Remez exchange).
Relative, because tanh of a tiny argument is as accurate as e^r - 1 is.
"""

import struct

import mpmath as mp

mp.mp.prec = 200
LN2 = mp.log(2)

TANH_SHIFT = mp.mpf("-0.25")
TANH_SMALL = mp.mpf("0.3")

# r of exp and sigmoid is within ln2/2 of zero, that of tanh between -0.3 and this bound
# (rounded up).
R_MIN = -LN2 / 2
R_MAX = (mp.mpf("0.5") - TANH_SHIFT) * LN2 + mp.mpf("0.005")


def target(r):
    """(e^r - 1 - r - r^2 / 2) / r^3, by its series near zero, where the formula cancels."""
    if abs(r) < mp.mpf("0.05"):
        return mp.fsum(r**k / mp.factorial(k + 3) for k in range(24))
    return (mp.expm1(r) - r - r**2 / 2) / r**3


def weight(r):
    """Turn an error of Q into a relative error of e^r - 1."""
    return mp.mpf(0) if r == 0 else abs(r**3 / mp.expm1(r))


def best_on(reference):
    """Return the polynomial whose weighted error alternates evenly over the reference points."""
    count = len(reference)
    rows, right = mp.matrix(count, count), mp.matrix(count, 1)
    for i, r in enumerate(reference):
        for k in range(count - 1):
            rows[i, k] = r**k
        rows[i, count - 1] = (-1) ** i / weight(r)
        right[i] = target(r)
    return list(mp.lu_solve(rows, right)[: count - 1])


def extrema(coefficients, grid):
    """(r, error) of the largest error in every run of equal sign."""
    points = []
    for r in grid:
        error = (mp.polyval(coefficients[::-1], r) - target(r)) * weight(r)
        if error == 0:
            continue
        if points and (points[-1][1] > 0) == (error > 0):
            if abs(error) > abs(points[-1][1]):
                points[-1] = (r, error)
        else:
            points.append((r, error))
    return points


def remez(degree):
    """Coefficients, lowest first, and the largest relative error."""
    middle, half = (R_MAX + R_MIN) / 2, (R_MAX - R_MIN) / 2
    grid = [middle - half * mp.cos(mp.pi * (i + mp.mpf("0.5")) / 4000) for i in range(4000)]
    reference = [middle - half * mp.cos(mp.pi * i / (degree + 1)) for i in range(degree + 2)]
    # The weight vanishes at zero, where an error of a given size cannot be asked for.
    reference = [r if abs(r) > half / 20 else half / 10 for r in reference]
    for _ in range(40):
        coefficients = best_on(reference)
        points = extrema(coefficients, grid)
        while len(points) > degree + 2:
            points.pop(0 if abs(points[0][1]) < abs(points[-1][1]) else -1)
        if len(points) < degree + 2:
            raise ArithmeticError("the exchange lost a point; start from other references")
        sizes = [abs(error) for _, error in points]
        reference = [r for r, _ in points]
        if max(sizes) < min(sizes) * mp.mpf("1.0001"):
            break
    return coefficients, max(sizes)


def round_to(value, kind):
    """Return the nearest f32 or f64, as a Python float."""
    code = {"f32": "f", "f64": "d"}[kind]
    # Through f64 first: the double rounding this risks is far below the approximation error.
    return struct.unpack(code, struct.pack(code, float(value)))[0]


def literal(value, kind):
    """Return the shortest decimal that reads back as the same float."""
    value = round_to(value, kind)
    texts = (f"{value:.{digits}g}" for digits in range(1, 18))
    return repr(float(next(text for text in texts if round_to(float(text), kind) == value)))


def constants(kind, degree, precision, exponents, exponent_bits):
    """One impl block; `exponents` are the largest of a finite and the least of a nonzero power."""
    coefficients, error = remez(degree)
    # ln2 = high + low, where high has so few bits that n * high is exact.
    scale = mp.mpf(2) ** (precision - exponent_bits)
    high = mp.floor(LN2 * scale) / scale
    values = {
        "LN2_HIGH": high,
        "LN2_LOW": LN2 - high,
        "EXP_MAX": (exponents[0] + mp.mpf("0.25")) * LN2,
        "EXP_MIN": (exponents[1] - mp.mpf("0.25")) * LN2,
        "TANH_MAX": (precision + mp.mpf("2.5")) * LN2 / 2,
        "TANH_SHIFT": TANH_SHIFT,
        "TANH_SMALL": TANH_SMALL,
    }
    lines = [f"// Largest relative error of the polynomial: 2^{float(mp.log(error, 2)):.1f}."]
    lines += [f"impl Constants for {kind} {{"]
    lines += [f"    const LOG2_E: Self = std::{kind}::consts::LOG2_E;"]
    lines += [f"    const {name}: Self = {literal(v, kind)};" for name, v in values.items()]
    for name, part in (("EVEN", coefficients[0::2]), ("ODD", coefficients[1::2])):
        lines += [f"    const EXPM1_{name}: &'static [Self] = &["]
        lines += [f"        {literal(value, kind)}," for value in part]
        lines += ["    ];"]
    return "\n".join([*lines, "}"])


HEADER = """//! Constants of the elementary functions; printed by `scripts/derive_coefficients.py`.
#![cfg_attr(rustfmt, rustfmt_skip)]

/// What [`super::exp`], [`super::tanh`] and [`super::sigmoid`] need to know of an element type.
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
}
"""

if __name__ == "__main__":
    print(HEADER)
    print(constants("f32", 4, 24, (128, -150), 8))
    print()
    print(constants("f64", 9, 53, (1024, -1075), 11))
