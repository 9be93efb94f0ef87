//! `Vector<N>` and `Matrix<R, C>`, whose sizes are known to the compiler.
//!
//! The engine cuts weights of any size into blocks of these, so that a block's accumulators stay in
//! registers; the networks of [`crate::textbook`] use whole ones. An element may be a number or a group
//! of lanes (see [`crate::lanes::simd`]). Shapes are types: products of mismatched shapes do not
//! compile:
//!
//! ```compile_fail
//! use rnn_rust::matrix::{Matrix, Vector};
//! let w = Matrix::<2, 3>::default();
//! let x = Vector::<2>::default(); // three elements are needed
//! let y = w.mul_vector(&x);
//! ```

use crate::lanes::simd::Lanes;

/// Elements of a block: numbers or groups of lanes.
pub trait Element: Copy {
    /// `self * a + b`, fused if the instruction set has FMA.
    fn mul_add(self, a: Self, b: Self) -> Self;
}

macro_rules! scalar_element {
    ($float:ident) => {
        impl Element for $float {
            // `f32::mul_add` is a slow library call if the target has no FMA.
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self * a + b
            }
        }
    };
}
scalar_element!(f32);
scalar_element!(f64);

impl<V: Lanes> Element for V {
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.fma(a, b)
    }
}

/// A vector of `N` elements.
///
/// ```
/// use rnn_rust::matrix::Vector;
/// let mut a = Vector([1.0, 2.0, 3.0]);
/// a.add_scaled(2.0, &Vector([1.0, 0.0, 1.0]));
/// assert_eq!(a.as_slice(), &[3.0, 2.0, 5.0]);
/// assert_eq!(a.dot(&a), 38.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Vector<const N: usize, T = f32>(pub [T; N]);

impl<const N: usize, T: Element> Vector<N, T> {
    /// A vector with all elements equal to `value`.
    #[inline(always)]
    pub fn splat(value: T) -> Self {
        Self([value; N])
    }

    /// The elements in order.
    #[inline(always)]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// `self[i] += scale * other[i]`
    #[inline(always)]
    pub fn add_scaled(&mut self, scale: T, other: &Self) {
        for (a, &b) in self.0.iter_mut().zip(&other.0) {
            *a = scale.mul_add(b, *a);
        }
    }

    /// `Σ_i self[i] * other[i]`
    pub fn dot(&self, other: &Self) -> T
    where
        T: Default,
    {
        let products = self.0.iter().zip(&other.0);
        products.fold(T::default(), |sum, (&a, &b)| a.mul_add(b, sum))
    }
}

impl<const N: usize, T: Element + Default> Default for Vector<N, T> {
    fn default() -> Self {
        Self::splat(T::default())
    }
}

/// `R` rows of `C` elements, row-major, by value: small ones stay in registers.
///
/// ```
/// use rnn_rust::matrix::{Matrix, Vector};
/// let w = Matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!(w.mul_vector(&Vector([1.0, 0.0, -1.0])), Vector([-2.0, -2.0]));
/// assert_eq!(w.mul_transposed(&Vector([1.0, -1.0])), Vector([-3.0, -3.0, -3.0]));
/// assert_eq!(w.as_flat(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Matrix<const R: usize, const C: usize, T = f32>(pub [[T; C]; R]);

/// A matrix on the heap, of any size: it is built there, without a copy on the stack.
///
/// ```
/// use rnn_rust::matrix::{HeapMatrix, Vector};
/// let mut w = HeapMatrix::<1000, 2, f64>::default();
/// w.add_outer(&Vector([0.5; 1000]), &Vector([1.0, 3.0]));
/// assert_eq!(w.mul_vector(&Vector([1.0, 1.0])), Vector([2.0; 1000]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeapMatrix<const R: usize, const C: usize, T = f32>(Box<[[T; C]; R]>);

macro_rules! products {
    ($Matrix:ident) => {
        impl<const R: usize, const C: usize, T: Element> $Matrix<R, C, T> {
            /// All elements, row-major.
            pub fn as_flat(&self) -> &[T] {
                self.0.as_flattened()
            }

            /// All elements, mutable.
            pub fn as_flat_mut(&mut self) -> &mut [T] {
                self.0.as_flattened_mut()
            }

            /// Row `r`, of `C` elements.
            #[inline(always)]
            pub fn row(&self, r: usize) -> Vector<C, T> {
                Vector(self.0[r])
            }

            /// Matrix times column vector, W x: `(R, C) · (C,) -> (R,)`.
            pub fn mul_vector(&self, x: &Vector<C, T>) -> Vector<R, T>
            where
                T: Default,
            {
                let mut product = Vector::default();
                for r in 0..R {
                    product.0[r] = self.row(r).dot(x);
                }
                product
            }

            /// Transposed matrix times column vector, Wᵀ y: `(C, R) · (R,) -> (C,)`.
            pub fn mul_transposed(&self, y: &Vector<R, T>) -> Vector<C, T>
            where
                T: Default,
            {
                let mut product = Vector::default();
                for r in 0..R {
                    product.add_scaled(y.0[r], &self.row(r));
                }
                product
            }

            /// The rank-1 update `self[r][c] += column[r] * row[c]`, the inner step of every product
            /// in the engine.
            #[inline(always)]
            pub fn add_outer(&mut self, column: &Vector<R, T>, row: &Vector<C, T>) {
                for (own, &scale) in self.0.iter_mut().zip(&column.0) {
                    for (a, &b) in own.iter_mut().zip(&row.0) {
                        *a = scale.mul_add(b, *a);
                    }
                }
            }
        }
    };
}
products!(Matrix);
products!(HeapMatrix);

impl<const R: usize, const C: usize, T: Element + Default> Default for Matrix<R, C, T> {
    #[inline(always)]
    fn default() -> Self {
        Self([[T::default(); C]; R])
    }
}

impl<const R: usize, const C: usize, T: Element + Default> Default for HeapMatrix<R, C, T> {
    fn default() -> Self {
        let rows = vec![[T::default(); C]; R];
        Self(rows.try_into().unwrap_or_else(|_| unreachable!("there are R rows")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_products_add_up_to_a_matrix_product() {
        // A·B = Σ_k A[:, k] ⊗ B[k, :]
        let a = Matrix([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let b = Matrix([[1.0, -1.0], [0.5, 2.0]]);
        let mut product = Matrix::<3, 2>::default();
        for k in 0..2 {
            product.add_outer(&Vector(a.0.map(|row| row[k])), &b.row(k));
        }
        assert_eq!(product, Matrix([[2.0, 3.0], [5.0, 5.0], [8.0, 7.0]]));
    }
}
