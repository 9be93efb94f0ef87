//! Numbers in the lanes of registers: element types, instruction sets, and blocks of fixed size.
//!
//! | file | what lives there |
//! |---|---|
//! | `real.rs` | [`Real`]: the two element types |
//! | `simd/` | groups of lanes, instruction sets, kernels |
//! | `elementary/` | exponential functions and logarithms on groups |
//! | `matrix.rs` | [`matrix::Matrix`] and [`matrix::Vector`], whose sizes are part of their type |
//! | `blocks.rs` | cutting any size into such blocks |
//! | `aligned.rs` | buffers that start at a cache line |
//!
//! These files depend on one another by nature: an element type names its groups, a group names its
//! element type, and a matrix holds either. They use nothing outside this directory.

pub(crate) mod aligned;
pub(crate) mod blocks;
pub mod elementary;
pub mod matrix;
mod real;
pub mod simd;

pub use real::Real;
