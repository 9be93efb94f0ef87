//! Tiles that are packed once, where many epochs have the same batches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contract::EngineSpec;
use crate::bptt::Trace;
use crate::data::Sequences;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, numbers};
use crate::packing::{Tile, Tiling, gather};

/// Bytes that all packed tiles may take: far beyond the last cache, reading them takes as long as
/// gathering does.
const MOST_BYTES: usize = 48 << 20;
/// Epochs from which on packing pays: where the tiles do not fit into a cache, the system's work for
/// fresh memory takes as long as gathering does in ten epochs.
const FEWEST_REPEATS: usize = 16;

/// The features of a tile, and its labels with their weights, if they have any, in its lanes.
pub(super) struct PackedTile<T: Real, S: Simd> {
    x: Vec<T::Lanes<S>>,
    labels: Vec<T::Lanes<S>>,
    label_weights: Vec<T::Lanes<S>>,
}

impl<T: Real, S: Simd> PackedTile<T, S> {
    fn new(simd: S, data: &Sequences<'_, T>, lanes: Tile<'_>, features: usize) -> Self {
        let room = |columns: usize| {
            let groups = (lanes.steps() * columns).next_multiple_of(T::LANES);
            vec![simd.zero::<T>(); groups]
        };
        let weights = if data.has_label_weights() { data.label_columns() } else { 0 };
        let mut own = Self {
            x: room(features),
            labels: room(data.label_columns()),
            label_weights: room(weights),
        };
        gather_features(simd, data, lanes, features, &mut own.x);
        gather_labels(simd, data, lanes, &mut own.labels, &mut own.label_weights);
        own
    }

    /// All numbers, to be prefetched.
    pub(super) fn numbers(&self) -> [&[T]; 3] {
        [&self.x, &self.labels, &self.label_weights].map(|groups| numbers(groups))
    }

    /// Exchanges them for those of a trace: to compute with them, and again to have them back.
    pub(super) fn swap(&mut self, trace: &mut Trace<T::Lanes<S>>) {
        std::mem::swap(&mut self.x, &mut trace.x);
        std::mem::swap(&mut self.labels, &mut trace.labels);
        std::mem::swap(&mut self.label_weights, &mut trace.label_weights);
    }
}

/// Takes the features of a tile into its lanes.
pub(super) fn gather_features<T: Real, S: Simd>(
    simd: S,
    data: &Sequences<'_, T>,
    lanes: Tile<'_>,
    features: usize,
    x: &mut [T::Lanes<S>],
) {
    gather(simd, lanes, features, |segment| data.features_of(segment), T::ZERO, x);
}

/// Takes the labels of a tile into its lanes, and their weights, if they have any.
pub(super) fn gather_labels<T: Real, S: Simd>(
    simd: S,
    data: &Sequences<'_, T>,
    lanes: Tile<'_>,
    labels: &mut [T::Lanes<S>],
    label_weights: &mut [T::Lanes<S>],
) {
    let (columns, nan) = (data.label_columns(), T::from_f64(f64::NAN));
    gather(simd, lanes, columns, |segment| data.labels_of(segment), nan, labels);
    if data.has_label_weights() {
        let weights = |segment| data.label_weights_of(segment);
        gather(simd, lanes, columns, weights, T::ZERO, label_weights);
    }
}

/// The tiles of every batch, where batches are consecutive sequences.
pub(super) struct PackedBatches<T: Real, S: Simd> {
    batch_size: usize,
    batches: Vec<Vec<Mutex<PackedTile<T, S>>>>,
}

impl<T: Real, S: Simd> PackedBatches<T, S> {
    /// None where epochs differ or are few, where a batch is not of whole sequences from their starts, or where
    /// the tiles would take too much memory.
    pub(super) fn new(
        simd: S,
        data: &Sequences<'_, T>,
        spec: EngineSpec,
        features: usize,
    ) -> Option<Self> {
        let columns = features + 2 * data.label_columns();
        let bytes = (data.rows() * columns).saturating_mul(size_of::<T>());
        let whole = spec.window.is_none() && !data.has_initial_states();
        if spec.repeats < FEWEST_REPEATS || !whole || bytes > MOST_BYTES {
            return None;
        }
        let mut tiling = Tiling::with_capacity(T::LANES, spec.batch_size).for_gradients();
        let sequences: Vec<u32> = (0..data.len() as u32).collect();
        let mut packed = |batch: &[u32]| {
            tiling.set(batch, |s| data.range(s as usize).len());
            (0..tiling.len())
                .map(|number| tiling.tile(number))
                .map(|lanes| Mutex::new(PackedTile::new(simd, data, lanes, features)))
                .collect()
        };
        let batches = sequences.chunks(spec.batch_size).map(&mut packed).collect();
        Some(Self { batch_size: spec.batch_size, batches })
    }

    /// Those of the batch that begins with a sequence.
    pub(super) fn of(&self, first: u32) -> PackedTiles<'_, T, S> {
        let number = first as usize / self.batch_size;
        let next = &self.batches[(number + 1) % self.batches.len()];
        PackedTiles { tiles: &self.batches[number], next: next.first() }
    }
}

/// The tiles of a batch, and the first one of the next.
#[derive(Clone, Copy)]
pub(super) struct PackedTiles<'a, T: Real, S: Simd> {
    tiles: &'a [Mutex<PackedTile<T, S>>],
    next: Option<&'a Mutex<PackedTile<T, S>>>,
}

impl<'a, T: Real, S: Simd> PackedTiles<'a, T, S> {
    /// A tile, which one thread computes.
    pub(super) fn tile(self, number: usize) -> MutexGuard<'a, PackedTile<T, S>> {
        self.tiles[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tile after one, unless another thread has it.
    pub(super) fn after(self, number: usize) -> Option<MutexGuard<'a, PackedTile<T, S>>> {
        self.tiles.get(number + 1).or(self.next)?.try_lock().ok()
    }
}
