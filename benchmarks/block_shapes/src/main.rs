//! Prints, for every instruction set of this machine, how fast blocks of each shape go: those that
//! `Simd::MULTIPLY`, `OUTER`, `HALF_OUTER` and `CHAIN_PAIRS` choose among.
//!
//! `cargo run --release --manifest-path benchmarks/block_shapes/Cargo.toml`
//!
//! The loops are those of the engine; what is measured is a block whose operands are in the first
//! cache. A shape whose accumulators and operands do not fit into registers shows at once.

use std::hint::black_box;
use std::time::Instant;

use rnn_rust::Real;
use rnn_rust::matrix::{Matrix, Vector};
use rnn_rust::simd::{Kernel, Lanes, Level, Simd, WithSimd, dispatch};

/// Terms of a sum, and times that a block is computed in one measurement.
const TERMS: usize = 64;
const REPEATS: usize = 200;

type Half<T, S> = <<T as Real>::Lanes<S> as Lanes>::Half;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Product {
    /// By weights: a group for each row, a broadcast number for each column.
    Multiply,
    /// Over steps: a group for each row and for each column.
    Outer,
    /// Over steps: half a group for each row and for each column.
    HalfOuter,
    /// Of a recurrence: one row, and sums of even and odd terms for each column.
    Chains,
}

/// Nanoseconds of a block of R × C groups.
struct Block<'a, T, const R: usize, const C: usize> {
    product: Product,
    /// R rows of terms, each a group, and C numbers or groups for each term.
    a: &'a [T],
    b: &'a [T],
}

impl<T: Real, const R: usize, const C: usize> WithSimd for Block<'_, T, R, C> {
    type Output = f64;
    fn run<S: Simd>(self, simd: S) -> f64 {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd, const R: usize, const C: usize> Kernel<S> for Block<'_, T, R, C> {
    type Output = f64;
    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let zero = simd.zero::<T>();
        let group = |from: &[T]| simd.load::<T>(&from[..T::LANES]);
        let start = Instant::now();
        for _ in 0..REPEATS {
            let (a, b) = (black_box(self.a), black_box(self.b));
            let mut sums = Matrix::<R, C, T::Lanes<S>>([[zero; C]; R]);
            let mut odd = Vector::<C, T::Lanes<S>>([zero; C]);
            let rows = a.chunks_exact(R * T::LANES);
            match self.product {
                Product::Multiply => {
                    for (row, numbers) in rows.zip(b.chunks_exact(C)) {
                        let (mut column, mut weights) = (Vector([zero; R]), Vector([zero; C]));
                        for r in 0..R {
                            column.0[r] = group(&row[r * T::LANES..]);
                        }
                        for c in 0..C {
                            weights.0[c] = simd.splat(numbers[c]);
                        }
                        sums.add_outer(&column, &weights);
                    }
                }
                Product::Outer => {
                    for (row, columns) in rows.zip(b.chunks_exact(C * T::LANES)) {
                        let (mut left, mut right) = (Vector([zero; R]), Vector([zero; C]));
                        for r in 0..R {
                            left.0[r] = group(&row[r * T::LANES..]);
                        }
                        for c in 0..C {
                            right.0[c] = group(&columns[c * T::LANES..]);
                        }
                        sums.add_outer(&left, &right);
                    }
                }
                Product::HalfOuter => {
                    let zero = Half::<T, S>::splat(simd, T::ZERO);
                    for first in (0..T::LANES).step_by(Half::<T, S>::LEN) {
                        let half = |from: &[T]| {
                            Half::<T, S>::load(simd, &from[first..first + Half::<T, S>::LEN])
                        };
                        let mut halves = [[zero; C]; R];
                        let columns = b.chunks_exact(C * T::LANES);
                        for (row, columns) in rows.clone().zip(columns) {
                            for c in 0..C {
                                let right = half(&columns[c * T::LANES..]);
                                for r in 0..R {
                                    let left = half(&row[r * T::LANES..]);
                                    halves[r][c] = left.fma(right, halves[r][c]);
                                }
                            }
                        }
                        black_box(halves);
                    }
                }
                Product::Chains => {
                    let pairs = b.chunks_exact(2 * C);
                    for (row, numbers) in a.chunks_exact(2 * T::LANES).zip(pairs) {
                        let (even, other) = numbers.split_at(C);
                        let [first, second] = [group(row), group(&row[T::LANES..])];
                        for c in 0..C {
                            sums.0[0][c] = first.fma(simd.splat(even[c]), sums.0[0][c]);
                            odd.0[c] = second.fma(simd.splat(other[c]), odd.0[c]);
                        }
                    }
                }
            }
            let mut total = zero;
            for c in 0..C {
                for r in 0..R {
                    total = total + sums.0[r][c];
                }
                total = total + odd.0[c];
            }
            black_box(total.reduce_add());
        }
        start.elapsed().as_secs_f64() * 1e9 / REPEATS as f64
    }
}

/// Multiply-adds of a nanosecond, by shape.
fn measure<T: Real>(level: Level, product: Product, (rows, columns): (usize, usize)) -> f64 {
    let a = vec![T::from_f64(1e-3); rows.max(1) * TERMS * T::LANES];
    let b = vec![T::from_f64(1e-3); columns * TERMS * T::LANES];
    macro_rules! by_shape {
        ($($R:literal: $($C:literal)*;)*) => {
            match (rows, columns) {
                $($(($R, $C) => {
                    let run = || dispatch(level, Block::<T, $R, $C> { product, a: &a, b: &b });
                    (0..40).map(|_| run()).fold(f64::INFINITY, f64::min)
                })*)*
                _ => f64::INFINITY,
            }
        };
    }
    let nanoseconds = by_shape! {
        1: 1 2 3 4 5 6 7 8 9 10 11 12;
        2: 1 2 3 4 5 6 7 8 9 10 11 12;
        3: 1 2 3 4 5 6 7 8;
        4: 1 2 3 4 5 6 7 8;
    };
    (rows * columns * TERMS * T::LANES) as f64 / nanoseconds
}

fn print_level<T: Real>(level: Level, name: &str) {
    for product in [Product::Multiply, Product::Outer, Product::HalfOuter, Product::Chains] {
        let rows = if product == Product::Chains { 1..=1 } else { 1..=4 };
        let shapes = rows.flat_map(|r| (1..=if r < 3 { 12 } else { 8 }).map(move |c| (r, c)));
        let mut found: Vec<(f64, (usize, usize))> =
            shapes.map(|shape| (measure::<T>(level, product, shape), shape)).collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        let best = found.iter().take(6).map(|(speed, (r, c))| format!("{r}x{c} {speed:.1}"));
        println!(
            "{:<9} {name} {:<9} {}",
            level.name(),
            format!("{product:?}").to_lowercase(),
            best.collect::<Vec<_>>().join("  ")
        );
    }
}

fn main() {
    println!("rows x columns of groups of 64 bytes, and multiply-adds of a nanosecond");
    for level in Level::available() {
        print_level::<f32>(level, "f32");
        print_level::<f64>(level, "f64");
    }
}
