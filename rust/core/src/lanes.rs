//! Lanes: a group of numbers that one operation works on at once.
//!
//! A group is 64 bytes, 16 `f32` or 8 `f64`. Rows of weights and states are padded to whole groups,
//! so kernels have no remainder loops. [`Vector`] is the portable implementation.

use crate::matrix::{Element, Vector};
use crate::real::Real;

/// A group of [`Lanes::COUNT`] numbers of type `T`.
pub trait Lanes<T: Real>: Element {
    /// Numbers in a group; a power of two.
    const COUNT: usize;

    /// Every lane the same.
    fn splat(value: T) -> Self;
    /// The first [`Lanes::COUNT`] elements of `source`.
    fn load(source: &[T]) -> Self;
    /// Writes the lanes to the first [`Lanes::COUNT`] elements of `target`.
    fn store(self, target: &mut [T]);
    /// `f` of each lane.
    fn map(self, f: impl Fn(T) -> T) -> Self;
    /// The sum of the lanes, by folding the upper half onto the lower until one is left.
    fn reduce_add(self) -> T;
}

impl<const N: usize, T: Real> std::ops::Add for Vector<N, T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl<const N: usize, T: Real> std::ops::Sub for Vector<N, T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl<const N: usize, T: Real> std::ops::Mul for Vector<N, T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
}

impl<const N: usize, T: Real> Element for Vector<N, T> {
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(a.0[i], b.0[i])))
    }
}

impl<const N: usize, T: Real> Lanes<T> for Vector<N, T> {
    const COUNT: usize = N;

    #[inline(always)]
    fn splat(value: T) -> Self {
        Self([value; N])
    }

    #[inline(always)]
    fn load(source: &[T]) -> Self {
        Self(std::array::from_fn(|i| source[..N][i]))
    }

    #[inline(always)]
    fn store(self, target: &mut [T]) {
        target[..N].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn map(self, f: impl Fn(T) -> T) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn reduce_add(mut self) -> T {
        let mut half = N / 2;
        while half > 0 {
            for i in 0..half {
                self.0[i] += self.0[i + half];
            }
            half /= 2;
        }
        self.0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_folds_halves() {
        // (1e8 + 1) rounds to 1e8 in f32: only the tree (a+c) + (b+d) gives 2 here.
        let v = Vector([1e8f32, 1.0, -1e8, 1.0]);
        assert_eq!(v.reduce_add(), 2.0);
    }
}
