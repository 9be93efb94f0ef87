"""Derive the constants of src/lanes/elementary/coefficients.rs and print that file.

Requires mpmath (1.3 or newer). Run from the crate's folder:

    python3 scripts/derive_coefficients.py > src/lanes/elementary/coefficients.rs

Exponentials reduce their argument to a small r, the logarithm its argument u to s = u / (2 + u):

    e^r - 1    = r + r^2 / 2 + r^3 Q(r)
    ln (1 + u) = 2 atanh s = 2 s + s^3 A(s^2)

where Q and A are the polynomials whose largest *relative* error in the value is smallest (Remez
exchange). Relative, because e^x - 1 of a tiny argument is as accurate as e^r - 1 is. For tanh see
``tanh_rational.py``.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
from tanh_rational import tanh_rational

mp.mp.prec = 200
LN2 = mp.log(2)

# r is the rest of x after the nearest multiple of ln 2.
R_MIN, R_MAX = -LN2 / 2, LN2 / 2


class Approximated(NamedTuple):
    """A function that a polynomial approximates between two bounds, where errors count `weight`."""

    target: Callable
    weight: Callable
    low: mp.mpf
    high: mp.mpf


def expm1_rest(r):
    """(e^r - 1 - r - r^2 / 2) / r^3, by its series near zero, where the formula cancels."""
    if abs(r) < mp.mpf("0.05"):
        return mp.fsum(r**k / mp.factorial(k + 3) for k in range(24))
    return (mp.expm1(r) - r - r**2 / 2) / r**3


def expm1_weight(r):
    """Turn an error of Q into a relative error of e^r - 1."""
    return mp.mpf(0) if r == 0 else abs(r**3 / mp.expm1(r))


def atanh_rest(w):
    """(2 atanh s - 2 s) / s^3 for w = s^2, by its series near zero, where the formula cancels."""
    if w < mp.mpf("0.01"):
        return mp.fsum(2 * w**k / (2 * k + 3) for k in range(40))
    s = mp.sqrt(w)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def atanh_weight(w):
    """Turn an error of A into a relative error of 2 atanh s."""
    s = mp.sqrt(w)
    return mp.mpf(0) if w == 0 else s**3 / (2 * mp.atanh(s))


EXPM1 = Approximated(expm1_rest, expm1_weight, R_MIN, R_MAX)
# s of the logarithm is at most 1/3.
ATANH = Approximated(atanh_rest, atanh_weight, mp.mpf(0), mp.mpf(1) / 9)


def best_on(function, reference):
    """Return the polynomial whose weighted error alternates evenly over the reference points."""
    count = len(reference)
    rows, right = mp.matrix(count, count), mp.matrix(count, 1)
    for i, r in enumerate(reference):
        for k in range(count - 1):
            rows[i, k] = r**k
        rows[i, count - 1] = (-1) ** i / function.weight(r)
        right[i] = function.target(r)
    return list(mp.lu_solve(rows, right)[: count - 1])


def extrema(function, coefficients, grid):
    """(r, error) of the largest error in every run of equal sign."""
    points = []
    for r in grid:
        error = mp.polyval(coefficients[::-1], r) - function.target(r)
        error *= function.weight(r)
        if error == 0:
            continue
        if points and (points[-1][1] > 0) == (error > 0):
            if abs(error) > abs(points[-1][1]):
                points[-1] = (r, error)
        else:
            points.append((r, error))
    return points


def remez(function, degree):
    """Coefficients, lowest first, and the largest relative error."""
    middle, half = (function.high + function.low) / 2, (function.high - function.low) / 2
    grid = [middle - half * mp.cos(mp.pi * (i + mp.mpf("0.5")) / 4000) for i in range(4000)]
    reference = [middle - half * mp.cos(mp.pi * i / (degree + 1)) for i in range(degree + 2)]
    # The weight vanishes at zero, where an error of a given size cannot be asked for.
    reference = [r if abs(r) > half / 100 else half / 100 for r in reference]
    for _ in range(40):
        coefficients = best_on(function, reference)
        points = extrema(function, coefficients, grid)
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


def constants(kind, degrees, precision, exponents, exponent_bits):
    """One impl block; `exponents` are the largest of a finite and the least of a nonzero power."""
    coefficients, error = remez(EXPM1, degrees[0])
    logarithm, logarithm_error = remez(ATANH, degrees[1])
    # ln2 = high + low, where high has so few bits that n * high is exact.
    scale = mp.mpf(2) ** (precision - exponent_bits)
    high = mp.floor(LN2 * scale) / scale
    values = {
        "LN2_HIGH": high,
        "LN2_LOW": LN2 - high,
        "EXP_MAX": (exponents[0] + mp.mpf("0.25")) * LN2,
        "EXP_MIN": (exponents[1] - mp.mpf("0.25")) * LN2,
        "EXPM1_MIN": -(precision + mp.mpf("2.5")) * LN2,
    }
    bits = [f"2^{float(mp.log(size, 2)):.1f}" for size in (error, logarithm_error)]
    lines = [
        f"// Largest relative errors of the polynomials: {bits[0]} (EXPM1), {bits[1]} (ATANH)."
    ]
    lines += [f"impl Constants for {kind} {{"]
    lines += [f"    const LOG2_E: Self = std::{kind}::consts::LOG2_E;"]
    lines += [f"    const {name}: Self = {literal(v, kind)};" for name, v in values.items()]
    polynomials = {
        "EXPM1_EVEN": coefficients[0::2],
        "EXPM1_ODD": coefficients[1::2],
        "ATANH": logarithm,
    }
    for name, part in polynomials.items():
        lines += [f"    const {name}: &'static [Self] = &["]
        lines += [f"        {literal(value, kind)}," for value in part]
        lines += ["    ];"]
    lines += quotients(kind)
    return "\n".join([*lines, "}"])


def quotients(kind):
    """Return the lines of tanh, and of the gate, which is 1/2 + tanh(x / 2) / 2, as quotients."""
    above, below, last, error = tanh_rational(kind)
    lines = [f"    // Largest relative error: 2^{float(mp.log(error, 2)):.1f}."]
    tanh = quotient_lines(kind, last, above, below)
    lines += ["    const TANH: Quotient<Self> = Quotient {", *tanh, "    };"]
    if kind == "f64":
        return [*lines, "    const GATE: Option<Quotient<Self>> = None;"]
    # Powers of two: the scaled coefficients are as exact.
    halved = [[c / 4**k for k, c in enumerate(part)] for part in (above, below)]
    gate = quotient_lines(kind, 2 * last, halved[0], [4 * c for c in halved[1]])
    return [*lines, "    const GATE: Option<Quotient<Self>> = Some(Quotient {", *gate, "    });"]


def quotient_lines(kind, limit, above, below):
    """Return the lines of the fields of a quotient."""
    lines = [f"        limit: {literal(limit, kind)},"]
    for field, part in (("above", above), ("below", below)):
        lines += [f"        {field}: &["]
        lines += [f"            {literal(value, kind)}," for value in part]
        lines += ["        ],"]
    return lines


HEADER = """//! Constants of the elementary functions; printed by `scripts/derive_coefficients.py`.
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
    /// Below the first argument whose eˣ − 1 rounds to −1; its own rounds to −1 too.
    const EXPM1_MIN: Self;
    /// Coefficients of r⁰, r², r⁴ … of the Q in eʳ − 1 = r + r² / 2 + r³ Q(r).
    const EXPM1_EVEN: &'static [Self];
    /// Coefficients of r¹, r³, r⁵ … of Q.
    const EXPM1_ODD: &'static [Self];
    /// Coefficients of s⁰, s², s⁴ … of the A in 2 atanh s = 2s + s³ A(s²).
    const ATANH: &'static [Self];
    /// tanh x as a quotient.
    const TANH: Quotient<Self>;
    /// 1 / (1 + e⁻ˣ) − 1/2 as a quotient, where that is faster than by the exponential.
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
"""

if __name__ == "__main__":
    print(HEADER)
    print(constants("f32", (4, 3), 24, (128, -150), 8))
    print()
    print(constants("f64", (8, 9), 53, (1024, -1075), 11))
