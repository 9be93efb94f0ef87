//! Accuracy of the elementary functions on every instruction set of this machine.

use crate::common::ulp::{error_f32, error_f64, reference};
use crate::common::{Float, Function, Rng, apply, double_double, fuses, samples};
use rnn_rust::elementary::scalar;
use rnn_rust::simd::{Level, Portable};

/// Units in the last place allowed; without FMA there are more roundings.
fn allowed(level: Level, function: Function) -> f64 {
    let fused = match function {
        Function::Tanh => 6.5,
        Function::Gate => 2.5,
        _ => 2.0,
    };
    if fuses(level) { fused } else { 1.25 * fused }
}

/// Every 2048th `f32`, so every exponent, and a fine grid where the functions bend.
fn dense_f32() -> Vec<f32> {
    let bits = (0..1u32 << 21).map(|i| f32::from_bits((i << 11) | (i % 2048)));
    let grid = (-400_000..400_000).map(|i| i as f32 * 2.6e-5);
    bits.chain(grid).chain(f32::SPECIALS.iter().copied()).collect()
}

/// Every exponent that matters and both fine and coarse ranges.
fn dense_f64() -> Vec<f64> {
    let mut rng = Rng(7);
    let mut arguments: Vec<f64> = (0..60_000)
        .flat_map(|_| [rng.within(0.5), rng.within(3.0), rng.within(40.0), rng.within(750.0)])
        .collect();
    let tiny = (0..64_000u64).map(|i| f64::from_bits((i / 64) << 52 | rng.bits() >> 12));
    arguments.extend(tiny.flat_map(|x| [x, -x]));
    arguments
}

#[test]
fn f32_is_within_the_units_in_the_last_place_that_are_allowed() {
    let dense = dense_f32();
    for function in Function::ALL {
        let arguments: Vec<f32> = dense.iter().map(|&x| function.argument(x)).collect();
        let exact: Vec<f64> =
            arguments.iter().map(|&x| reference(function, f64::from(x))).collect();
        for level in Level::available() {
            let results = apply(level, function, &arguments);
            for ((&x, got), &exact) in arguments.iter().zip(results).zip(&exact) {
                let error = error_f32(function, got, exact);
                assert!(
                    error < allowed(level, function),
                    "{level} {function:?}({x:e}) = {got:e}: {error} ulp"
                );
            }
        }
    }
}

#[test]
fn f64_is_within_the_units_in_the_last_place_that_are_allowed() {
    let arguments = dense_f64();
    for function in Function::ALL {
        // Infinite results are tested by name below.
        let arguments: Vec<f64> = arguments
            .iter()
            .map(|&x| function.argument(x))
            .filter(|&x| function != Function::Exp || x < 709.78)
            // No gate is below 10⁻³⁰⁷.
            .filter(|&x| function != Function::Gate || x > -707.9)
            .collect();
        let exact: Vec<_> =
            arguments.iter().map(|&x| double_double::reference(function, x)).collect();
        for level in Level::available() {
            let results = apply(level, function, &arguments);
            for ((&x, got), &(m, n)) in arguments.iter().zip(results).zip(&exact) {
                let error = error_f64(got, m, n);
                assert!(
                    error < allowed(level, function),
                    "{level} {function:?}({x:e}) = {got:e}: {error} ulp"
                );
            }
        }
    }
}

#[test]
fn tanh_is_never_beyond_one() {
    let mut rng = Rng(11);
    let wide: Vec<f64> = (0..2_000_000).map(|_| 17.5 + rng.within(1.0)).collect();
    let narrow: Vec<f32> = (0..2_000_000).map(|i| 7.0 + i as f32 * 1e-6).collect();
    for level in Level::available() {
        // Without FMA there are more roundings: the number after 1 is possible.
        let most = if fuses(level) { 1.0 } else { 1.0 + f64::EPSILON };
        assert!(apply(level, Function::Tanh, &wide).into_iter().all(|y| y <= most), "{level} f64");
        assert!(apply(level, Function::Tanh, &narrow).into_iter().all(|y| y <= 1.0), "{level} f32");
    }
}

#[test]
fn the_double_double_reference_agrees_with_the_committed_points() {
    let text = include_str!("data/reference_points.txt");
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let function = match fields[0] {
            "exp" => Function::Exp,
            "tanh" => Function::Tanh,
            // No gates: in double precision these are sigmoids.
            "sigmoid" => Function::Sigmoid,
            "expm1" => Function::Expm1,
            "log1p_unit" => Function::Log1pUnit,
            "softplus" => Function::Softplus,
            other => panic!("no function {other:?}"),
        };
        let [x, high, low] = [1, 2, 3].map(|i| fields[i].parse::<f64>().unwrap());
        let (m, n) = double_double::reference(function, x);
        let power = 2f64.powi(n);
        let error = ((m.0 * power - high) + (m.1 * power - low)) / high;
        assert!(error.abs() < 2f64.powi(-90), "{line}: relative error {error:e}");
    }
}

fn check_specials<T: Float>(greatest_finite: f64, smallest_positive: f64) {
    let of = |level, function, x: f64| apply(level, function, &[T::from_f64(x)])[0].to_f64();
    for level in Level::available() {
        for function in Function::ALL {
            assert!(of(level, function, f64::NAN).is_nan(), "{level} {function:?}(NaN)");
        }
        let table = [
            (Function::Exp, f64::INFINITY, f64::INFINITY),
            (Function::Exp, f64::NEG_INFINITY, 0.0),
            (Function::Exp, 0.0, 1.0),
            (Function::Exp, -0.0, 1.0),
            (Function::Exp, greatest_finite * 1.001, f64::INFINITY),
            (Function::Exp, smallest_positive * 1.01, 0.0),
            (Function::Tanh, f64::INFINITY, 1.0),
            (Function::Tanh, f64::NEG_INFINITY, -1.0),
            (Function::Tanh, 0.0, 0.0),
            (Function::Tanh, -0.0, -0.0),
            (Function::Sigmoid, f64::INFINITY, 1.0),
            (Function::Sigmoid, f64::NEG_INFINITY, 0.0),
            (Function::Sigmoid, 0.0, 0.5),
            (Function::Sigmoid, -0.0, 0.5),
            (Function::Sigmoid, smallest_positive * 1.01, 0.0),
            (Function::Gate, f64::INFINITY, 1.0),
            (Function::Gate, 0.0, 0.5),
            (Function::Gate, -0.0, 0.5),
            (Function::Expm1, f64::NEG_INFINITY, -1.0),
            (Function::Expm1, -40.0, -1.0),
            (Function::Expm1, 0.0, 0.0),
            (Function::Log1pUnit, 0.0, 0.0),
            (Function::Softplus, f64::INFINITY, f64::INFINITY),
            (Function::Softplus, f64::NEG_INFINITY, 0.0),
            (Function::Softplus, 65_536.0, 65_536.0),
            (Function::Softplus, smallest_positive * 1.01, 0.0),
        ];
        for (function, x, expected) in table {
            let got = of(level, function, x);
            assert_eq!(got.to_bits(), expected.to_bits(), "{level} {function:?}({x:e}) = {got:e}");
        }
        assert!(of(level, Function::Exp, greatest_finite).is_finite());
        assert!((0.0..1e-300).contains(&of(level, Function::Gate, f64::NEG_INFINITY)), "{level}");
        for function in [Function::Exp, Function::Sigmoid, Function::Softplus] {
            assert!(of(level, function, smallest_positive) > 0.0, "{level} {function:?}");
        }
    }
}

#[test]
fn special_arguments_have_their_limits() {
    check_specials::<f32>(88.722, -103.9);
    check_specials::<f64>(709.78, -745.1);
}

#[test]
fn tiny_arguments_of_tanh_come_back_unchanged() {
    for level in Level::available() {
        let tiny: Vec<f32> = (0..100_000u32).map(|i| f32::from_bits(i * 5000)).collect();
        assert!(*tiny.last().unwrap() < 3e-5);
        assert_eq!(
            apply(level, Function::Tanh, &tiny),
            tiny.iter().map(|x| x.tanh()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn no_tanh_is_more_than_one_and_no_gate_is_beyond_its_bounds() {
    for level in Level::available() {
        for (function, lowest) in [(Function::Tanh, -1.0), (Function::Gate, 0.0)] {
            // Every number from 4 to 32: results are 1 from 8 or 16 on.
            for start in (4f32.to_bits()..32f32.to_bits()).step_by(1 << 16) {
                let x: Vec<f32> = (start..start + (1 << 16)).map(f32::from_bits).collect();
                let opposite: Vec<f32> = x.iter().map(|x| -x).collect();
                for arguments in [x, opposite] {
                    let results = apply(level, function, &arguments);
                    assert!(
                        results.iter().all(|y| (lowest..=1.0).contains(y)),
                        "{level} {function:?}"
                    );
                }
            }
        }
    }
}

fn check_same_bits<T: Float>() {
    let samples = samples::<T>(200_000, 3);
    for function in Function::ALL {
        let arguments: Vec<T> = samples.iter().map(|&x| function.argument(x)).collect();
        let mut results = Level::available()
            .into_iter()
            .filter(|&level| fuses(level))
            .map(|level| apply(level, function, &arguments));
        let Some(first) = results.next() else { continue };
        for other in results {
            for ((x, a), b) in arguments.iter().zip(&first).zip(&other) {
                assert_eq!(a.canonical_bits(), b.canonical_bits(), "{function:?}({x:?})");
            }
        }
    }
}

#[test]
fn instruction_sets_with_fma_give_the_same_bits() {
    check_same_bits::<f32>();
    check_same_bits::<f64>();
}

fn check_scalar<T: Float>() {
    let samples = samples::<T>(20_000, 4);
    let level = Level::Portable(Portable);
    for function in Function::ALL {
        let arguments: Vec<T> = samples.iter().map(|&x| function.argument(x)).collect();
        let expected = apply(level, function, &arguments);
        for (&x, expected) in arguments.iter().zip(expected) {
            let got = scalar(|group: T::Scalar| function.of(group), x);
            assert_eq!(got.canonical_bits(), expected.canonical_bits(), "{function:?}({x:?})");
        }
    }
}

#[test]
fn one_lane_gives_the_bits_of_the_portable_group() {
    check_scalar::<f32>();
    check_scalar::<f64>();
}
