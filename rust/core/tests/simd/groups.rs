//! Sums, masks, loads, stores and transposition of groups on every instruction set of this machine.

use crate::common::{Float, Rng, samples};
use rnn_rust::Real;
use rnn_rust::simd::{Kernel, Lanes, Level, Mask, Simd, WithSimd, dispatch};

/// The sum of each group, its first lane and its mask of negative lanes.
struct Summary<'a, T>(&'a [T]);

impl<T: Real> WithSimd for Summary<'_, T> {
    type Output = Vec<(T, T, [u32; 2], [bool; 2])>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Summary<'_, T> {
    type Output = Vec<(T, T, [u32; 2], [bool; 2])>;
    #[inline(always)]
    fn run(self, simd: S) -> Self::Output {
        let summary = |group: &[T]| {
            let x = simd.load(group);
            let negative = x.lt(simd.zero::<T>());
            let bits = [negative.bits(), (!negative).bits()];
            (x.reduce_add(), x.first(), bits, [negative.any(), negative.all()])
        };
        self.0.chunks_exact(T::Lanes::<S>::LEN).map(summary).collect()
    }
}

/// The sum by folding the upper half onto the lower.
fn fold<T: Float>(group: &[T]) -> T {
    let mut sums = group.to_vec();
    while sums.len() > 1 {
        let upper = sums.split_off(sums.len() / 2);
        sums = sums.iter().zip(upper).map(|(&a, b)| a + b).collect();
    }
    sums[0]
}

fn check_summary<T: Float>() {
    let count = 64 / size_of::<T>();
    let mut values = samples::<T>(20 * count, 6);
    let mut rng = Rng(8);
    values.extend((0..500 * count).map(|_| T::from_f64(rng.within(1.0))));
    values.extend(vec![T::ONE; count]);
    values.extend(vec![-T::ONE; count]);
    for level in Level::available() {
        let summaries = dispatch(level, Summary(&values));
        for (group, (sum, first, bits, [any, all])) in values.chunks_exact(count).zip(summaries) {
            assert_eq!(sum.canonical_bits(), fold(group).canonical_bits(), "{level} {group:?}");
            assert_eq!(first.canonical_bits(), group[0].canonical_bits(), "{level}");
            let lanes = (0..count).map(|i| u32::from(group[i] < T::ZERO) << i);
            let expected: u32 = lanes.sum();
            assert_eq!(bits, [expected, !expected & ((1 << count) - 1)], "{level} {group:?}");
            assert_eq!([any, all], [expected != 0, expected == (1 << count) - 1], "{level}");
        }
    }
}

#[test]
fn sums_fold_halves_and_masks_count_lanes() {
    check_summary::<f32>();
    check_summary::<f64>();
}

/// A partial load with a fill, and a partial store of it that must leave the rest alone.
struct Partial<'a, T>(&'a [T], T);

impl<T: Real> WithSimd for Partial<'_, T> {
    type Output = [Vec<T>; 2];
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Partial<'_, T> {
    type Output = [Vec<T>; 2];
    #[inline(always)]
    fn run(self, simd: S) -> [Vec<T>; 2] {
        let count = T::Lanes::<S>::LEN;
        let x = simd.load_partial(self.0, self.1);
        let mut loaded = vec![T::ZERO; count];
        x.store(&mut loaded);
        let mut stored = vec![T::HALF; count + 1];
        x.store_partial(&mut stored[..self.0.len()]);
        [loaded, stored]
    }
}

fn check_partial<T: Float>() {
    let count = 64 / size_of::<T>();
    let values: Vec<T> = (1..=count).map(|i| T::from_f64(i as f64)).collect();
    for level in Level::available() {
        for len in 0..=count {
            let [loaded, stored] = dispatch(level, Partial(&values[..len], -T::ONE));
            for i in 0..count {
                assert_eq!(loaded[i], if i < len { values[i] } else { -T::ONE }, "{level} {len}");
                assert_eq!(stored[i], if i < len { values[i] } else { T::HALF }, "{level} {len}");
            }
            assert_eq!(stored[count], T::HALF);
        }
    }
}

#[test]
fn partial_loads_fill_and_partial_stores_leave_the_rest() {
    check_partial::<f32>();
    check_partial::<f64>();
}

/// Whole numbers as integers, times a stride.
struct Offsets<'a, T>(&'a [T], u32);

impl<T: Real> WithSimd for Offsets<'_, T> {
    type Output = Vec<u32>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Offsets<'_, T> {
    type Output = Vec<u32>;
    #[inline(always)]
    fn run(self, simd: S) -> Vec<u32> {
        let mut offsets = vec![0; self.0.len()];
        simd.load(self.0).store_offsets(self.1, &mut offsets);
        offsets
    }
}

fn check_offsets<T: Float>() {
    let count = 64 / size_of::<T>();
    // 2²³ − 1 is the greatest index of an `f32`; the last product of it wraps.
    let numbers = |i: usize| [i, 1_000 + i, (1 << 23) - 1 - i][i % 3] as u32;
    let values: Vec<T> = (0..count).map(|i| T::from_f64(f64::from(numbers(i)))).collect();
    for level in Level::available() {
        for stride in [1, 16, 272, 511, 70_000] {
            let offsets = dispatch(level, Offsets(&values, stride));
            for (i, offset) in offsets.into_iter().enumerate() {
                assert_eq!(offset, numbers(i).wrapping_mul(stride), "{level} {i}");
            }
        }
    }
}

#[test]
fn whole_numbers_become_offsets() {
    check_offsets::<f32>();
    check_offsets::<f64>();
}

/// A whole load and store through slices of the wrong length.
struct WrongLength(usize);

impl WithSimd for WrongLength {
    type Output = ();
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<S: Simd> Kernel<S> for WrongLength {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let slice = vec![1.0f32; self.0];
        std::hint::black_box(simd.load(&slice).first());
    }
}

#[test]
fn slices_of_the_wrong_length_are_refused() {
    for level in Level::available() {
        for len in [0, 8, 15, 17] {
            let refused = std::panic::catch_unwind(|| dispatch(level, WrongLength(len)));
            assert!(refused.is_err(), "{level} took {len}");
        }
    }
}

/// A square of numbers in registers: transposed; and its rows' sums, all at once and one by one.
struct Square<'a, T>(&'a [T]);

impl<T: Real> WithSimd for Square<'_, T> {
    type Output = [Vec<T>; 3];
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for Square<'_, T> {
    type Output = [Vec<T>; 3];
    #[inline(always)]
    fn run(self, simd: S) -> [Vec<T>; 3] {
        let count = T::Lanes::<S>::LEN;
        let mut block = simd.zero::<T>().block();
        for (row, source) in block.as_mut().iter_mut().zip(self.0.chunks_exact(count)) {
            *row = simd.load(source);
        }
        let one_by_one = block.as_ref().iter().map(|row| row.reduce_add()).collect();
        let mut at_once = vec![T::ZERO; count];
        T::Lanes::<S>::reduce_add_each(block).store(&mut at_once);
        T::Lanes::<S>::transpose(&mut block);
        let mut transposed = vec![T::ZERO; count * count];
        for (row, target) in block.as_ref().iter().zip(transposed.chunks_exact_mut(count)) {
            row.store(target);
        }
        [transposed, at_once, one_by_one]
    }
}

fn check_transpose<T: Float>() {
    let count = 64 / size_of::<T>();
    let square: Vec<T> = (0..count * count).map(|i| T::from_f64(i as f64)).collect();
    for level in Level::available() {
        let [transposed, ..] = dispatch(level, Square(&square));
        for i in 0..count {
            for j in 0..count {
                assert_eq!(transposed[j * count + i], square[i * count + j], "{level} {i} {j}");
            }
        }
    }
}

#[test]
fn blocks_transpose() {
    check_transpose::<f32>();
    check_transpose::<f64>();
}

/// Numbers whose sum depends on the order in which they are added.
fn check_sums<T: Float>() {
    let count = 64 / size_of::<T>();
    let number = |i: usize| T::from_f64((i as f64 * 0.7).sin() * 10f64.powi((i % 9) as i32));
    let square: Vec<T> = (0..count * count).map(number).collect();
    for level in Level::available() {
        let [_, at_once, one_by_one] = dispatch(level, Square(&square));
        assert_eq!(at_once, one_by_one, "{level}");
    }
}

#[test]
fn rows_are_summed_as_one_by_one() {
    check_sums::<f32>();
    check_sums::<f64>();
}
