"""Print the elementary functions at a few hundred doubles, to 106 bits, as the tests read them.

Requires mpmath (1.3 or newer). Run from the crate's folder:

    python3 scripts/reference_points.py > tests/simd/data/reference_points.txt

One point per line: function, x, and the two doubles whose sum is the value.
"""

import random

import mpmath as mp

mp.mp.prec = 2400  # tanh of the smallest double needs every bit of 1 - e^-2x

FUNCTIONS = {
    "exp": mp.exp,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "expm1": mp.expm1,
    "log1p_unit": mp.log1p,
    "softplus": lambda x: mp.log1p(mp.exp(x)),
}
# The others take any number.
DOMAINS = {"expm1": lambda x: x <= 0, "log1p_unit": lambda x: 0 <= x <= 1}


def main() -> None:
    """Print the points."""
    draw = random.Random(1)
    points = [s * 2.0**k for k in range(-30, 5) for s in (1.0, -1.0)]
    points += [s * 2.0**k for k in (-1074, -1022, -300, -60) for s in (1.0, -1.0)]
    points += [draw.uniform(-40, 40) for _ in range(40)]
    points += [draw.uniform(-600, 600) for _ in range(20)]
    points += [draw.uniform(0, 1) for _ in range(40)]
    for name, function in FUNCTIONS.items():
        for x in filter(DOMAINS.get(name), points):
            value = function(mp.mpf(x))
            high = float(value)
            print(name, repr(x), repr(high), repr(float(value - high)))


if __name__ == "__main__":
    main()
