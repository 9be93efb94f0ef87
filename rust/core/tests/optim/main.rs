//! Optimisers and clipping: against the textbook on every level, and what they keep.

mod clip;
mod descent;
mod textbook;
