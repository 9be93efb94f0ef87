//! Dropout masks: 0 with the given probability p, rounded to a multiple of 2⁻¹⁶, else 1 / (1 − p)
//! (Srivastava et al., 2014).
//!
//! Between layers, every number of every step is drawn independently. On the recurrent connections, a
//! sequence has one mask for all of its steps (Gal and Ghahramani, 2016). A draw depends only on the
//! key, the sequence and the position, not on the packing, the batch or the thread.

use std::hint::black_box;

use crate::config::{DROPOUT_DRAWS, dropped_draws};
use crate::data::Segment;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd, numbers_mut};
use crate::packing::{Columns, Packing};
use crate::rng::{Purpose, Rng, mix};

/// The masks of one pass over the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutMasks {
    /// The key of all draws.
    key: u64,
}

/// Which connections a mask is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Site {
    /// The input of a layer.
    Input(usize),
    /// The recurrent connections of a layer and direction.
    Recurrent(usize, usize),
}

impl DropoutMasks {
    /// The masks for a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self { key: mix(seed) }
    }

    /// The masks for one epoch of training.
    pub(crate) fn of_epoch(seed: u64, epoch: usize) -> Self {
        Self { key: Rng::new(seed, Purpose::Dropout, epoch as u64).next_u64() }
    }

    /// The masks for one of several batches, each of which numbers its sequences from 0.
    pub(crate) fn of_batch(self, number: usize) -> Self {
        Self { key: mix(self.key ^ number as u64) }
    }

    /// Sets the factors at `site` for every step of the segments, each in its lane. `rows` are rows of
    /// `columns`, one per step.
    pub(crate) fn fill<P: Packing, V: Lanes>(
        self,
        (site, probability): (Site, f64),
        columns: Columns,
        segments: impl Iterator<Item = (usize, Segment)>,
        rows: &mut [V],
    ) {
        let stride = columns.groups::<P>(V::LEN) * V::LEN;
        let numbers = numbers_mut(rows);
        for (lane, segment) in segments {
            for step in 0..segment.steps as usize {
                let t = segment.start as usize + step;
                // A recurrent mask holds for the whole sequence.
                let drawn_at = match site {
                    Site::Input(_) => segment.from as usize + step,
                    Site::Recurrent(..) => 0,
                };
                let row = &mut numbers[t * stride..(t + 1) * stride];
                self.draw(
                    (site, segment.sequence, drawn_at),
                    (probability, columns.len()),
                    |i, factor| {
                        row[P::position(columns, i, lane, V::LEN)] = factor;
                    },
                );
            }
        }
    }

    /// The factors of `count` numbers of one sequence at one step; `take` gets each with its position.
    /// The reference implementation of the tests uses this too.
    pub(crate) fn draw<T: Real>(
        self,
        (site, sequence, step): (Site, u32, usize),
        (probability, count): (f64, usize),
        mut take: impl FnMut(usize, T),
    ) {
        let place = match site {
            Site::Input(layer) => layer as u64 * 4,
            Site::Recurrent(layer, direction) => layer as u64 * 4 + 1 + direction as u64,
        };
        let threshold = dropped_draws(probability);
        // From the rounded probability, so that factors are 1 on average.
        let keep = DROPOUT_DRAWS as f64 / (DROPOUT_DRAWS - threshold) as f64;
        let factors = [T::from_f64(keep), T::ZERO];
        // 16 bits per draw, four draws from each random number.
        let stream = mix(mix(mix(self.key ^ place) ^ u64::from(sequence)) ^ step as u64);
        for first in (0..count).step_by(4) {
            let mut bits = mix(stream.wrapping_add(first as u64));
            for position in first..count.min(first + 4) {
                let dropped = usize::from(bits & 0xFFFF < threshold);
                // Hidden from the compiler, which would make it a branch: on random bits, often
                // mispredicted.
                take(position, factors[black_box(dropped)]);
                bits >>= 16;
            }
        }
    }
}

/// `rows *= factors`
pub(super) struct Multiply<'a, V> {
    pub(super) rows: &'a mut [V],
    pub(super) factors: &'a [V],
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for Multiply<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: S) {
        for (d, &factor) in self.rows.iter_mut().zip(self.factors) {
            *d = *d * factor;
        }
    }
}
