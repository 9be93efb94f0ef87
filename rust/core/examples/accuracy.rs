//! Prints the largest error of each elementary function, in units in the last place.
//!
//! `cargo run --release --example accuracy -- [stride]`
//!
//! `f32`: every `stride`-th of all bit patterns (default 61, 70 million; 1 takes minutes) against
//! the standard library in `f64`. `f64`: as many random values against double-double arithmetic as a
//! minute allows. The level is that of the process (`RNN_RUST_SIMD`).

#[path = "../tests/simd/common/mod.rs"]
mod common;

use common::ulp::{error_f32, error_f64, reference};
use common::{Function, Rng, apply, double_double};
use rnn_rust::simd::{Level, level};

/// The largest error and the argument it is at.
#[derive(Clone, Copy)]
struct Worst<T> {
    error: f64,
    argument: T,
}

impl<T: Copy> Worst<T> {
    fn include(&mut self, error: f64, argument: T) {
        if error > self.error {
            *self = Self { error, argument };
        }
    }
}

fn worst_f32(level: Level, function: Function, stride: usize) -> Worst<f32> {
    let mut worst = Worst { error: 0.0, argument: 0.0 };
    let mut bits = (0..=u32::MAX).step_by(stride);
    loop {
        let arguments: Vec<f32> = bits.by_ref().take(1 << 16).map(f32::from_bits).collect();
        if arguments.is_empty() {
            return worst;
        }
        let arguments: Vec<f32> = arguments.iter().map(|&x| function.argument(x)).collect();
        for (&x, got) in arguments.iter().zip(apply(level, function, &arguments)) {
            worst.include(error_f32(function, got, reference(function, f64::from(x))), x);
        }
    }
}

fn worst_f64(level: Level, function: Function, bound: f64, count: usize) -> Worst<f64> {
    let mut rng = Rng(bound.to_bits());
    let mut worst = Worst { error: 0.0, argument: 0.0 };
    let arguments: Vec<f64> = (0..count).map(|_| function.argument(rng.within(bound))).collect();
    for (&x, got) in arguments.iter().zip(apply(level, function, &arguments)) {
        let (m, n) = double_double::reference(function, x);
        worst.include(error_f64(got, m, n), x);
    }
    worst
}

fn main() {
    let stride = std::env::args().nth(1).map_or(61, |text| text.parse().expect("a stride"));
    let level = level().unwrap_or_else(|error| panic!("{error}"));
    for function in Function::ALL {
        let worst = worst_f32(level, function, stride);
        println!("{level} f32 {function:?}: {:.3} ulp at {:e}", worst.error, worst.argument);
    }
    for function in Function::ALL {
        for bound in [0.25, 0.6, 1.0, 20.0, 709.0, 745.0] {
            if function == Function::Exp && bound > 709.0 {
                continue;
            }
            let worst = worst_f64(level, function, bound, 4_000_000);
            println!(
                "{level} f64 {function:?}, |x| < {bound}: {:.3} ulp at {:e}",
                worst.error, worst.argument
            );
        }
    }
}
