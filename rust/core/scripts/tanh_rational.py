"""The rational approximation of tanh that ``derive_coefficients.py`` prints for f32.

    tanh x = x P(x^2) / Q(x^2),    P and Q of degrees 5 and 4, both 1 at zero

of the least largest relative error, up to where the quotient, computed in f32, is 1. It is found by
weighted least squares of x P - tanh x Q, where points of large errors gain weight (C. L. Lawson,
*Contributions to the theory of linear least maximum approximations*, 1961). Coefficients are
rounded to f32 one by one, and those that are left are fitted again.
"""

import struct

import mpmath as mp

DEGREES = (5, 4)
# Beyond the argument at which the quotient is 1, so that the error there is bounded as well.
LAST = mp.mpf("8.3")
POINTS, ROUNDS = 100, 25


def f32(value):
    """Return the nearest f32, as a Python float."""
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def solve(fixed, weights, scale, points):
    """Return all coefficients by their names, of which some are fixed, by least squares."""
    names = [("P", k) for k in range(1, DEGREES[0] + 1)]
    names += [("Q", k) for k in range(1, DEGREES[1] + 1)]
    free = [name for name in names if name not in fixed]
    if not free:
        return fixed
    rows, right = mp.matrix(len(points), len(free)), mp.matrix(len(points), 1)

    def term(name, x, ratio):
        # Scaled to the last argument: powers of any argument have a like size.
        return (x / LAST) ** (2 * name[1]) * (1 if name[0] == "P" else -ratio)

    for i, (x, ratio) in enumerate(points):
        factor = mp.sqrt(weights[i]) / (ratio * scale[i])
        for column, name in enumerate(free):
            rows[i, column] = factor * term(name, x, ratio)
        known = sum(value * LAST ** (2 * n[1]) * term(n, x, ratio) for n, value in fixed.items())
        right[i] = factor * (ratio - 1 - known)
    solution = mp.lu_solve(rows.T * rows, rows.T * right)
    return fixed | {name: solution[i] / LAST ** (2 * name[1]) for i, name in enumerate(free)}


def fit(fixed):
    """Return the largest relative error and the coefficients by their names."""
    angles = [mp.pi * (i + mp.mpf("0.5")) / POINTS for i in range(POINTS)]
    arguments = [LAST * (1 - mp.cos(angle)) / 2 for angle in angles]
    points = [(x, mp.tanh(x) / x) for x in arguments]
    weights, scale, best = [mp.mpf(1)] * POINTS, [mp.mpf(1)] * POINTS, None
    for _ in range(ROUNDS):
        found = solve(fixed, weights, scale, points)
        above, below = (
            [
                1 + sum(c * x ** (2 * k) for (n, k), c in found.items() if n == name)
                for x, _ in points
            ]
            for name in "PQ"
        )
        errors = [abs(p / q / f - 1) for p, q, (_, f) in zip(above, below, points, strict=True)]
        if best is None or max(errors) < best[0]:
            best = (max(errors), found)
        scale = [abs(q) for q in below]
        weights = [w * e for w, e in zip(weights, errors, strict=True)]
        weights = [max(w / sum(weights), mp.mpf(10) ** -30) for w in weights]
    return best


def quotient(x, above, below, product):
    """Return what the engine computes in f32; `product` rounds, or not, before a sum is rounded."""

    def horner(coefficients):
        total = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            total = f32(product(total * square) + coefficient)
        return total

    square = f32(x * x)
    tail = f32(horner(above[1:]) * square)
    return f32(f32(product(tail * x) + x) / horner(below))


def last_argument(above, below):
    """Return the last f32 whose quotient is 1, fused or not, and none before it is more than 1."""
    (bits,) = struct.unpack("I", struct.pack("f", 7.8))
    last = None
    while True:
        (x,) = struct.unpack("f", struct.pack("I", bits))
        fused, rounded = (quotient(x, above, below, product) for product in (float, f32))
        if max(fused, rounded) > 1:
            return last
        if fused == rounded == 1:
            last = x
        bits += 1


def tanh_rational():
    """Return P, Q, the last argument of the quotient and the largest relative error."""
    fixed = {}
    for degree in range(1, max(DEGREES) + 1):
        for name, most in zip("PQ", DEGREES, strict=True):
            if degree <= most:
                _, found = fit(fixed)
                fixed[name, degree] = mp.mpf(f32(found[name, degree]))
    error, found = fit(fixed)
    above, below = (
        [1.0, *(float(found[name, k]) for k in range(1, most + 1))]
        for name, most in zip("PQ", DEGREES, strict=True)
    )
    return above, below, last_argument(above, below), error
