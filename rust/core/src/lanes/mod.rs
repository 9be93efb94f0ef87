//! Numbers side by side in registers: element types, instruction sets, and blocks of fixed size.
//!
//! | file | what lives there |
//! |---|---|
//! | `real.rs` | [`Real`]: the two element types |
//! | `simd/` | groups of lanes, instruction sets, kernels |
//! | `elementary/` | exponential functions and logarithms on groups |
//! | `matrix.rs` | [`matrix::Matrix`] and [`matrix::Vector`], whose sizes are types |
//! | `blocks.rs` | cutting any size into such blocks |
//! | `aligned.rs` | buffers that begin at a cache line |
//!
//! These files are mutually recursive by nature: an element type names its groups, a group names its
//! element type, and a matrix holds either. Nothing here uses anything outside of this room.

pub(crate) mod aligned;
pub(crate) mod blocks;
pub mod elementary;
pub mod matrix;
mod real;
pub mod simd;

pub use real::Real;
