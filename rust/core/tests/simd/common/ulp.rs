//! Errors in units in the last place, the spacing of floats at the exact value.

use super::Function;
use super::double_double::DoubleDouble;

/// 2ⁿ for normal results.
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// The exponent of a normal number.
fn exponent(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// `function(x)` from the standard library, good to 2⁻⁵².
pub fn reference(function: Function, x: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid | Function::Gate if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Function::Sigmoid | Function::Gate => 1.0 / (1.0 + (-x).exp()),
        Function::Expm1 => x.exp_m1(),
        Function::Log1pUnit => x.ln_1p(),
        // As a maximum: a NaN stays.
        Function::Softplus => (if x < 0.0 { 0.0 } else { x }) + (-x.abs()).exp().ln_1p(),
    }
}

/// Error of `got` in units of `f32`, those of 1 for a gate; infinite if only one of the two is NaN or
/// overflows.
pub fn error_f32(function: Function, got: f32, exact: f64) -> f64 {
    const OVERFLOW: f64 = f32::MAX as f64 + (1u128 << 103) as f64;
    if exact.is_nan() || exact.abs() >= OVERFLOW {
        let right =
            if exact.is_nan() { got.is_nan() } else { f64::from(got) == exact.signum() / 0.0 };
        return if right { 0.0 } else { f64::INFINITY };
    }
    let exponent = if function == Function::Gate { 0 } else { exponent(exact).max(-126) };
    let spacing = power_of_two(exponent - 23);
    let error = (f64::from(got) - exact).abs() / spacing;
    if error.is_nan() { f64::INFINITY } else { error }
}

/// Error of `got` in units of `f64` against the value `exact · 2ⁿ`, which must not overflow.
pub fn error_f64(got: f64, exact: DoubleDouble, n: i32) -> f64 {
    // Both scaled by 2⁻ⁿ, in two steps as the power itself may overflow; each is exact.
    let scaled = got * power_of_two(-(n / 2)) * power_of_two(-(n - n / 2));
    let spacing_exponent = (exponent(exact.0) + n).max(-1022) - 52 - n;
    let error = ((scaled - exact.0) - exact.1).abs();
    let error = error * power_of_two(-(spacing_exponent / 2));
    let error = error * power_of_two(-(spacing_exponent - spacing_exponent / 2));
    if error.is_nan() { f64::INFINITY } else { error }
}
