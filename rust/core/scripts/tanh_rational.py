"""The rational approximations of tanh that ``derive_coefficients.py`` prints.

    tanh x = x P(x^2) / Q(x^2),    P and Q both 1 at zero

of the least largest relative error, up to where the computed quotient is 1. Each is found by
weighted least squares of x P - tanh x Q, where points of large errors gain weight (C. L. Lawson,
*Contributions to the theory of linear least maximum approximations*, 1961). Coefficients are
rounded to the number type one by one, and those that are left are fitted again.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mpmath as mp

POINTS, ROUNDS = 120, 25


def every_f32(first, last):
    """Yield all f32 between two positive arguments, which are ordered as their bits are."""
    (low,), (high,) = (struct.unpack("I", struct.pack("f", x)) for x in (first, last))
    for bits in range(low, high):
        yield struct.unpack("f", struct.pack("I", bits))[0]


def some_f64(first, last):
    """Yield some f64 between two arguments: all of them are too many."""
    count = 20_000
    for i in range(count):
        yield first + (last - first) * i / count


@dataclass(frozen=True)
class Kind:
    """A number type, and the quotient that suits it."""

    code: str
    # A product and a sum in it are exact, or as good as that.
    exact: Callable
    # Degrees of P and Q.
    degrees: tuple[int, int]
    # A little beyond the argument at which the quotient is 1, so that the error there is bounded.
    last: mp.mpf
    # Where the quotient may be 1.
    arguments: Callable[[], Iterator[float]]

    def round(self, value):
        """Return the nearest number of the type, as a Python float."""
        return struct.unpack(self.code, struct.pack(self.code, float(value)))[0]

    def multiply(self, a, b):
        """Return the rounded product."""
        return self.round(self.exact(a) * b)

    def multiply_add(self, a, b, c, fused):
        """Return a b + c, whose product is rounded unless it is fused."""
        product = self.exact(a) * b if fused else self.exact(self.multiply(a, b))
        return self.round(product + c)


KINDS = {
    "f32": Kind("f", float, (5, 4), mp.mpf("8.3"), lambda: every_f32(7.8, 8.3)),
    "f64": Kind("d", mp.mpf, (10, 9), mp.mpf("18.5"), lambda: some_f64(17.6, 18.5)),
}


def solve(kind, fixed, weights, scale, points):
    """Return all coefficients by their names, of which some are fixed, by least squares."""
    names = [
        (name, k) for name, most in zip("PQ", kind.degrees, strict=True) for k in range(1, most + 1)
    ]
    free = [name for name in names if name not in fixed]
    if not free:
        return fixed
    rows, right = mp.matrix(len(points), len(free)), mp.matrix(len(points), 1)

    def term(name, x, ratio):
        # Scaled to the last argument: powers of any argument have a like size.
        return (x / kind.last) ** (2 * name[1]) * (1 if name[0] == "P" else -ratio)

    for i, (x, ratio) in enumerate(points):
        factor = mp.sqrt(weights[i]) / (ratio * scale[i])
        for column, name in enumerate(free):
            rows[i, column] = factor * term(name, x, ratio)
        known = sum(
            value * kind.last ** (2 * n[1]) * term(n, x, ratio) for n, value in fixed.items()
        )
        right[i] = factor * (ratio - 1 - known)
    solution = mp.lu_solve(rows.T * rows, rows.T * right)
    return fixed | {name: solution[i] / kind.last ** (2 * name[1]) for i, name in enumerate(free)}


def fit(kind, fixed):
    """Return the largest relative error and the coefficients by their names."""
    angles = [mp.pi * (i + mp.mpf("0.5")) / POINTS for i in range(POINTS)]
    arguments = [kind.last * (1 - mp.cos(angle)) / 2 for angle in angles]
    points = [(x, mp.tanh(x) / x) for x in arguments]
    weights, scale, best = [mp.mpf(1)] * POINTS, [mp.mpf(1)] * POINTS, None
    for _ in range(ROUNDS):
        found = solve(kind, fixed, weights, scale, points)
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


def polynomial(kind, x, coefficients, fused):
    """Return what the engine computes: neighbours are summed up, then their sums, and so on."""
    terms, power = list(coefficients), x
    while len(terms) > 1:
        if len(terms) > 2 and len(terms) % 2 == 1:
            last = terms.pop()
            terms[-1] = kind.multiply_add(last, power, terms[-1], fused)
        pairs = zip(terms[::2], terms[1::2], strict=True)
        terms = [kind.multiply_add(high, power, low, fused) for low, high in pairs]
        power = kind.multiply(power, power)
    return terms[0]


def quotient(kind, x, above, below, fused):
    """Return what the engine computes."""
    square = kind.multiply(x, x)
    tail = polynomial(kind, square, above[1:], fused)
    numerator = kind.multiply_add(tail, kind.multiply(x, square), x, fused)
    tail = polynomial(kind, square, below[1:], fused)
    denominator = kind.multiply_add(tail, square, below[0], fused)
    return kind.round(kind.exact(numerator) / denominator)


def first_one(kind, above, below):
    """Return the first argument tried whose quotient is 1, fused or not."""
    for tried in kind.arguments():
        x = kind.round(tried)
        results = {quotient(kind, x, above, below, fused) for fused in (True, False)}
        if max(results) > 1:
            break
        if results == {1.0}:
            return x
    raise ArithmeticError("no quotient is 1 before one exceeds it; try other arguments")


def tanh_rational(name):
    """Return P, Q, the last argument of the quotient and the largest relative error, for a type."""
    kind, fixed = KINDS[name], {}
    for degree in range(1, max(kind.degrees) + 1):
        for part, most in zip("PQ", kind.degrees, strict=True):
            if degree <= most:
                _, found = fit(kind, fixed)
                fixed[part, degree] = mp.mpf(kind.round(found[part, degree]))
    error, found = fit(kind, fixed)
    above, below = (
        [1.0, *(float(found[part, k]) for k in range(1, most + 1))]
        for part, most in zip("PQ", kind.degrees, strict=True)
    )
    return above, below, first_one(kind, above, below), error
