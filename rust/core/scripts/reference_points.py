"""Print exp, tanh and sigmoid at a few hundred doubles, to 106 bits, as the tests read them.

Requires mpmath (1.3 or newer). Run from the crate's folder:

    python3 scripts/reference_points.py > tests/data/reference_points.txt

One point per line: function, x, and the two doubles whose sum is the value.
"""

import random

import mpmath as mp

mp.mp.prec = 2400  # tanh of the smallest double needs every bit of 1 - e^-2x

FUNCTIONS = {
    "exp": mp.exp,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
}


def main() -> None:
    """Print the points."""
    draw = random.Random(1)
    points = [s * 2.0**k for k in range(-30, 5) for s in (1.0, -1.0)]
    points += [s * 2.0**k for k in (-1074, -1022, -300, -60) for s in (1.0, -1.0)]
    points += [draw.uniform(-40, 40) for _ in range(40)]
    points += [draw.uniform(-600, 600) for _ in range(20)]
    for name, function in FUNCTIONS.items():
        for x in points:
            value = function(mp.mpf(x))
            high = float(value)
            print(name, repr(x), repr(high), repr(float(value - high)))


if __name__ == "__main__":
    main()
