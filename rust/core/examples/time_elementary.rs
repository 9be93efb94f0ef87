//! Prints, for every instruction set of this machine, the time of each elementary function.
//!
//! `cargo run --release --example time_elementary`
//!
//! *Throughput* is the time per group of 64 bytes when many independent groups wait; *latency* the
//! time from argument to result when each needs the one before.

use std::hint::black_box;
use std::time::Instant;

use rnn_rust::Real;
use rnn_rust::elementary::{exp, expm1, log1p_unit, sigmoid, softplus, tanh};
use rnn_rust::simd::{Kernel, Lanes, Level, Simd, WithSimd, dispatch};

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Tanh,
    Sigmoid,
    Expm1,
    Log1pUnit,
    Softplus,
}

impl Function {
    const ALL: [Self; 6] =
        [Self::Exp, Self::Tanh, Self::Sigmoid, Self::Expm1, Self::Log1pUnit, Self::Softplus];

    #[inline(always)]
    fn of<V: Lanes>(self, x: V) -> V {
        match self {
            Self::Exp => exp(x),
            Self::Tanh => tanh(x),
            Self::Sigmoid => sigmoid(x),
            Self::Expm1 => expm1(x),
            Self::Log1pUnit => log1p_unit(x),
            Self::Softplus => softplus(x),
        }
    }
}

/// Groups in an array: 16 kB, so that argument and result stay in the first cache.
const GROUPS: usize = 256;
const REPEATS: usize = 200;

/// Nanoseconds per group of applying the function to an array.
struct Throughput<'a, T>(Function, &'a [T], &'a mut [T]);

impl<T: Real> WithSimd for Throughput<'_, T> {
    type Output = f64;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Throughput<'_, T> {
    type Output = f64;
    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let Self(function, source, target) = self;
        let start = Instant::now();
        for _ in 0..REPEATS {
            match function {
                Function::Exp => apply(simd, source, target, exp),
                Function::Tanh => apply(simd, source, target, tanh),
                Function::Sigmoid => apply(simd, source, target, sigmoid),
                Function::Expm1 => apply(simd, source, target, expm1),
                Function::Log1pUnit => apply(simd, source, target, log1p_unit),
                Function::Softplus => apply(simd, source, target, softplus),
            }
            black_box(&mut *target);
        }
        start.elapsed().as_secs_f64() * 1e9 / (REPEATS * GROUPS) as f64
    }
}

#[inline(always)]
fn apply<T: Real, S: Simd>(
    simd: S,
    source: &[T],
    target: &mut [T],
    function: impl Fn(T::Lanes<S>) -> T::Lanes<S>,
) {
    let count = T::Lanes::<S>::LEN;
    for (source, target) in source.chunks_exact(count).zip(target.chunks_exact_mut(count)) {
        function(simd.load(source)).store(target);
    }
}

/// Nanoseconds per group of a chain, each result being the next argument.
struct Latency<T>(Function, T);

impl<T: Real> WithSimd for Latency<T> {
    type Output = f64;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Latency<T> {
    type Output = f64;
    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let start = Instant::now();
        let mut x = simd.splat(black_box(self.1));
        for _ in 0..REPEATS * GROUPS {
            // Keeps the chain of exponentials from running off to infinity.
            x = self.0.of(x.min(simd.splat(T::ONE)));
        }
        black_box(x.first());
        start.elapsed().as_secs_f64() * 1e9 / (REPEATS * GROUPS) as f64
    }
}

fn best(mut measure: impl FnMut() -> f64) -> f64 {
    (0..30).map(|_| measure()).fold(f64::INFINITY, f64::min)
}

fn print_level<T: Real>(level: Level, name: &str, argument: T) {
    for function in Function::ALL {
        let source = vec![argument; GROUPS * 64 / size_of::<T>()];
        let mut target = source.clone();
        let throughput = best(|| dispatch(level, Throughput(function, &source, &mut target)));
        let latency = best(|| dispatch(level, Latency(function, argument)));
        println!(
            "{:<9} {name} {:<9} {throughput:7.2} ns throughput {latency:7.2} ns latency",
            level.name(),
            format!("{function:?}").to_lowercase()
        );
    }
}

fn main() {
    println!("per group of 64 bytes: 16 f32 or 8 f64");
    for level in Level::available() {
        print_level(level, "f32", 0.7f32);
        print_level(level, "f64", 0.7f64);
    }
}
