//! SIMD: one logical group of 64 bytes, whatever the instruction set.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | [`Simd`], an instruction set as a token; [`Kernel`], code generic over it |
//! | `lanes.rs` | [`Lanes`], a group of numbers, and [`Mask`], a truth value per lane |
//! | `pair.rs` | [`Pair`], a group made of two groups of half its size |
//! | `level.rs` | [`Level`]: detection, choice by environment variable, [`dispatch`] |
//! | `register.rs` | a group of one register from a table of intrinsics |
//! | `avx512.rs`, `avx2.rs`, `neon.rs` | one table of intrinsics each |
//! | `portable.rs` | plain Rust, with one number per register |
//!
//! # The same bits everywhere
//! Additions, products, quotients, square roots and fused multiply-adds are correctly rounded, and
//! [`Lanes::reduce_add`] always folds halves. AVX-512, AVX2 and NEON therefore give the same bits
//! (except for NaN payloads). [`Portable`] rounds a product before adding unless the crate is compiled
//! for a target with FMA; its results agree within tolerance.
//!
//! # Why safe code cannot reach a missing instruction
//! A *token* such as `Avx512` is a zero-sized value that only a successful detection creates. A lane
//! value is made from its token or from other lane values of its type. So holding either proves that
//! the machine has the instructions, and every intrinsic call in the three register files relies on
//! that proof for its safety. The only other safety promise is that a group consists of its numbers
//! ([`Plain`]), so that it can be viewed as such.
//!
//! # Writing a kernel
//! The body is generic and `#[inline(always)]`, and so is every function that it calls in its hot
//! loops: only then is it compiled *inside* the `#[target_feature]` shell that [`dispatch`] enters, and
//! each operation becomes one instruction. A function that is not inlined still computes the right
//! result, but turns every operation into a call.
//!
//! ```
//! use rnn_rust::Real;
//! use rnn_rust::simd::{Kernel, Lanes, Simd, WithSimd, dispatch, level};
//!
//! struct Dot<'a, T>(&'a [T], &'a [T]);
//!
//! impl<T: Real, S: Simd> Kernel<S> for Dot<'_, T> {
//!     type Output = T;
//!     #[inline(always)]
//!     fn run(self, simd: S) -> T {
//!         let mut sum = simd.zero::<T>();
//!         for (a, b) in self.0.chunks(T::LANES).zip(self.1.chunks(T::LANES)) {
//!             let a = simd.load_partial(a, T::ZERO);
//!             let b = simd.load_partial(b, T::ZERO);
//!             sum = a.fma(b, sum);
//!         }
//!         sum.reduce_add()
//!     }
//! }
//!
//! impl<T: Real> WithSimd for Dot<'_, T> {
//!     type Output = T;
//!     fn run<S: Simd>(self, simd: S) -> T {
//!         simd.vectorize(self)
//!     }
//! }
//!
//! let x: Vec<f32> = (0..100).map(|i| i as f32).collect();
//! assert_eq!(dispatch(level().unwrap(), Dot(&x, &x)), 328_350.0);
//! ```

use std::fmt::Debug;

use crate::lanes::Real;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pair;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod register;
mod strided;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use lanes::{Lanes, Mask, Plain};
pub(crate) use lanes::{fold, halves, halves_of, numbers, numbers_mut};
pub use level::{Level, LevelError, VARIABLE, dispatch, level};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use pair::Pair;
pub use portable::{F32x1, F64x1, Portable};
pub(crate) use strided::Strided;

/// An instruction set: a zero-sized token whose existence proves that the machine has it.
pub trait Simd: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// 16 lanes of `f32`.
    type F32: Lanes<Elem = f32, Simd = Self>;
    /// 8 lanes of `f64`.
    type F64: Lanes<Elem = f64, Simd = Self>;
    /// Its name in `RNN_RUST_SIMD`.
    const NAME: &'static str;
    /// How many sums of groups stay in registers while each takes one more product; at most 12.
    const ACCUMULATORS: usize;
    /// How many pairs of such sums, one of even and one of odd terms, stay in registers together with
    /// an operand and a broadcast weight.
    const CHAIN_PAIRS: usize;
    /// Rows (at most 4) and columns (at most 12) of a product by weights whose sums stay in registers;
    /// its operands are one group per row and one broadcast weight.
    const MULTIPLY: (usize, usize);
    /// The same for products of at most this many columns, no fewer than above: a single block of all
    /// columns goes through the other factor once.
    const NARROW_MULTIPLY: (usize, usize);
    /// Rows and columns of an outer product whose sums stay in registers; its operands are one group
    /// per row and one per column.
    const OUTER: (usize, usize);
    /// The same for few columns.
    const NARROW_OUTER: (usize, usize);
    /// The same (at most 4 rows) if a group is two halves that are summed one after the other.
    const HALF_OUTER: (usize, usize);
    /// Rows times columns of an outer product from which it pays to first copy the rows of a block to
    /// be contiguous: for blocks with many loads per multiply-add.
    const OUTER_COPIED: usize;

    /// Runs `kernel` in a function compiled for this instruction set.
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output;

    /// Prefetches the cache line that holds `number`. Only a hint.
    #[inline(always)]
    fn prefetch<T>(self, number: &T) {
        let _ = number;
    }

    /// A group with every lane equal to `value`.
    #[inline(always)]
    fn splat<T: Real>(self, value: T) -> T::Lanes<Self> {
        Lanes::splat(self, value)
    }

    /// A group with every lane 0.
    #[inline(always)]
    fn zero<T: Real>(self) -> T::Lanes<Self> {
        self.splat(T::ZERO)
    }

    /// [`Lanes::load`]
    #[inline(always)]
    fn load<T: Real>(self, source: &[T]) -> T::Lanes<Self> {
        Lanes::load(self, source)
    }

    /// [`Lanes::load_partial`]
    #[inline(always)]
    fn load_partial<T: Real>(self, source: &[T], fill: T) -> T::Lanes<Self> {
        Lanes::load_partial(self, source, fill)
    }
}

/// Code compiled for one instruction set, with its arguments as fields.
pub trait Kernel<S: Simd> {
    /// What it returns.
    type Output;

    /// The code; mark it `#[inline(always)]` (see the [module](self)).
    fn run(self, simd: S) -> Self::Output;
}

/// The function in which a kernel is compiled for one instruction set.
///
/// It is a method of the kernel, not a generic function next to the instruction set, so that the
/// compiler puts it in the codegen unit of the kernel's module: changing one kernel recompiles little
/// else.
#[allow(unsafe_code)]
trait Shell<S: Simd>: Kernel<S> {
    /// [`Kernel::run`], with the instructions of `S`.
    ///
    /// # Safety
    /// The machine must have the instructions, as a token proves.
    unsafe fn shell(self, simd: S) -> Self::Output;
}

/// Code generic over the instruction set, which runs kernels for the one it is given.
pub trait WithSimd {
    /// What it returns.
    type Output;

    /// The code. It is ordinary code, compiled for the target's baseline.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
