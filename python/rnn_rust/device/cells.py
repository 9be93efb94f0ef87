"""The C of activations and cells: functions, each one step of a layer.

In the templates, ``$real`` is the type of the arithmetic, ``$f`` the suffix of its constants and of
functions in math.h, and ``$N`` the prefix of constants.
"""

from __future__ import annotations

# By name: the expression, and whether the function needs others.
_ACTIVATIONS = {
    "relu": "z < 0.0$f ? 0.0$f : z",
    "sigmoid": "1.0$f / (1.0$f + exp$f(-z))",
    "elu": "z > 0.0$f ? z : expm1$f(z)",
    "leaky_relu": "z > 0.0$f ? z : 0.01$f * z",
    "softplus": "z > 0.0$f ? z + log1p$f(exp$f(-z)) : log1p$f(exp$f(z))",
    "softsign": "z / (1.0$f + fabs$f(z))",
    "silu": "z / (1.0$f + exp$f(-z))",
}

PRODUCT = """\
/* sums (n) += x (m) times weights, which have a row of n for each x. */
static inline void add_product(const $real *restrict weights, const $real *restrict x,
                               size_t m, size_t n, $real *restrict sums)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            sums[j] += weights[i * n + j] * x[i];
        }
    }
}
"""

SOFTMAX = """\
/*
 * Outputs become probabilities; the largest is taken off first, so that none overflows. Sums of a
 * few are added up, so that a sum of thousands keeps its digits.
 */
static void softmax($real *y)
{
    $real largest = y[0], sum = 0.0$f;
    for (size_t l = 1; l < ${N}_OUTPUTS; l++) {
        largest = fmax$f(largest, y[l]);
    }
    for (size_t first = 0; first < ${N}_OUTPUTS; first += 64) {
        $real part = 0.0$f;
        for (size_t l = first; l < ${N}_OUTPUTS && l < first + 64; l++) {
            y[l] = exp$f(y[l] - largest);
            part += y[l];
        }
        sum += part;
    }
    for (size_t l = 0; l < ${N}_OUTPUTS; l++) {
        y[l] /= sum;
    }
}
"""

RNN = """\
/* One step of a layer. gates: W_ih x + b. */
static void rnn(const $real *weight_hh, $real *gates, $real *h)
{
    add_product(weight_hh, h, ${N}_HIDDEN, ${N}_GATES, gates);
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        h[u] = $activation;
    }
}
"""

GRU = """\
/* One step of a layer. gates: W_ih x + b of r, z and n, one after the other. */
static void gru(const $real *weight_hh, const $real *bias_hn, const $real *gates, $real *h)
{
    $real recurrent[${N}_GATES] = {0.0$f};
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        recurrent[2 * ${N}_HIDDEN + u] = bias_hn[u];
    }
    add_product(weight_hh, h, ${N}_HIDDEN, ${N}_GATES, recurrent);
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        const $real r = sigmoid(gates[u] + recurrent[u]);
        const $real z = sigmoid(gates[${N}_HIDDEN + u] + recurrent[${N}_HIDDEN + u]);
        const $real n = tanh$f(gates[2 * ${N}_HIDDEN + u] + r * recurrent[2 * ${N}_HIDDEN + u]);
        h[u] = (1.0$f - z) * n + z * h[u];
    }
}
"""

GRU_RESET_BEFORE = """\
/* One step of a layer. gates: W_ih x + b of r, z and n, one after the other. r acts on the state
 * before the product. */
static void gru(const $real *weight_hh_rz, const $real *weight_hh_n, $real *gates, $real *h)
{
    $real kept[${N}_HIDDEN];
    add_product(weight_hh_rz, h, ${N}_HIDDEN, 2 * ${N}_HIDDEN, gates);
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        kept[u] = sigmoid(gates[u]) * h[u];
    }
    add_product(weight_hh_n, kept, ${N}_HIDDEN, ${N}_HIDDEN, gates + 2 * ${N}_HIDDEN);
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        const $real z = sigmoid(gates[${N}_HIDDEN + u]);
        const $real n = tanh$f(gates[2 * ${N}_HIDDEN + u]);
        h[u] = (1.0$f - z) * n + z * h[u];
    }
}
"""

LSTM = """\
/* One step of a layer. gates: W_ih x + b of i, f, g and o, one after the other. */
static void lstm(const $real *weight_hh, $real *gates, $real *h, $real *c)
{
    add_product(weight_hh, h, ${N}_HIDDEN, ${N}_GATES, gates);
    for (size_t u = 0; u < ${N}_HIDDEN; u++) {
        const $real i = sigmoid(gates[u]);
        const $real f = sigmoid(gates[${N}_HIDDEN + u]);
        const $real g = tanh$f(gates[2 * ${N}_HIDDEN + u]);
        const $real o = sigmoid(gates[3 * ${N}_HIDDEN + u]);
        c[u] = f * c[u] + i * g;
        h[u] = o * tanh$f(c[u]);
    }
}
"""

CYCLE = """\
/* How much of a period has passed, from 0 to 1. */
static double phase(double time, double period)
{
    const double passed = fmod(time, period) / period;
    return passed < 0.0 ? passed + 1.0 : passed;
}
"""

YEAR = """\
/* The days from 1 January 1970 to that of a year, with the leap days in between. */
static double first_day(double year)
{
    return 365.0 * (year - 1970.0) + floor((year - 1969.0) / 4.0) - floor((year - 1901.0) / 100.0)
           + floor((year - 1601.0) / 400.0);
}

/* How much of its year has passed, from 0 to 1. */
static double phase_of_year(double time)
{
    const double days = time / 86400.0;
    double year = 1970.0 + floor(days / 365.2425);
    if (days < first_day(year)) {
        year -= 1.0;
    } else if (days >= first_day(year + 1.0)) {
        year += 1.0;
    }
    return (days - first_day(year)) / (first_day(year + 1.0) - first_day(year));
}
"""


def call(activation: str, value: str) -> str:
    """Return the expression that applies an activation to a value."""
    if activation == "identity":
        return value
    return f"tanh$f({value})" if activation == "tanh" else f"{activation}({value})"


def definition(activation: str) -> str:
    """Return the function of an activation; empty if it is in math.h or not needed."""
    if activation not in _ACTIVATIONS:
        return ""
    expression = _ACTIVATIONS[activation]
    return f"static inline $real {activation}($real z)\n{{\n    return {expression};\n}}\n"
