//! Tiles that are packed once, if many epochs have the same batches.

use super::contract::EngineSpec;
use crate::bptt::{BufferSpec, InputSizes, PassInputs};
use crate::data::Sequences;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, numbers};
use crate::memory::is_available;
use crate::packing::{BySequence, Tile, Tiling, gather};
use crate::weights::Layout;

/// The most bytes of all packed tiles: they are needed in addition to the data itself.
const MOST_BYTES: usize = 256 << 20;
/// The number of epochs from which packing pays. It saves gathering in every further epoch, but
/// touching fresh memory costs as much as gathering five times.
const FEWEST_REPEATS: usize = 8;

/// Gathers the features of a tile into its lanes.
pub(super) fn gather_features<T: Real, S: Simd>(
    simd: S,
    data: &Sequences<'_, T>,
    lanes: Tile<'_>,
    features: usize,
    x: &mut [T::Lanes<S>],
) {
    gather(simd, lanes, features, |segment| data.features_of(segment), T::ZERO, x);
}

/// Gathers the labels of a tile into its lanes, and their weights, if they have any.
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

/// The tiles of every batch, if batches are consecutive sequences.
pub(super) struct PackedBatches<T: Real, S: Simd> {
    batch_size: usize,
    /// The inputs of the tiles in turn: features, labels, label weights. One buffer holds them all, so
    /// that the system can map it in huge pages.
    groups: Vec<T::Lanes<S>>,
    /// Where each tile starts, and its sizes.
    tiles: Vec<(usize, InputSizes)>,
    /// The first tile of each batch.
    first: Vec<usize>,
}

impl<T: Real, S: Simd> PackedBatches<T, S> {
    /// `None` if epochs differ or are few, if batches are not of whole sequences that start from 0, or
    /// if the tiles would take too much memory.
    pub(super) fn new(
        simd: S,
        data: &Sequences<'_, T>,
        layout: &Layout,
        (spec, buffers): (EngineSpec, BufferSpec),
    ) -> Option<Self> {
        let whole = spec.window.is_none() && !data.has_initial_states();
        // Tiles have about as many numbers as the data: if those are far too many, skip the exact
        // count.
        let columns = layout.config().features() + data.label_columns();
        let about = (data.rows() * columns).saturating_mul(size_of::<T>());
        if spec.repeats < FEWEST_REPEATS || !whole || about > MOST_BYTES {
            return None;
        }
        let sizes = |tile: Tile<'_>| {
            let own = BufferSpec { steps: tile.steps(), ..buffers };
            InputSizes::new::<BySequence, T::Lanes<S>>(layout, own)
        };
        let mut groups = 0;
        for_each_tile(data, spec.batch_size, |_, tile| groups += sizes(tile).total());
        // Leaves as much again for what else the call needs.
        let bytes = groups * T::LANES * size_of::<T>();
        if bytes > MOST_BYTES || !is_available(2 * bytes) {
            return None;
        }
        let batch_size = spec.batch_size;
        let mut own = Self { batch_size, groups: Vec::new(), tiles: Vec::new(), first: Vec::new() };
        own.groups.try_reserve_exact(groups).ok()?;
        for_each_tile(data, spec.batch_size, |batch, tile| {
            // A batch of single sequences has no tiles.
            own.first.resize(batch + 1, own.tiles.len());
            own.push(simd, data, (tile, layout.config().features()), sizes(tile));
        });
        own.first.resize(data.len().div_ceil(spec.batch_size), own.tiles.len());
        Some(own)
    }

    fn push(
        &mut self,
        simd: S,
        data: &Sequences<'_, T>,
        (tile, features): (Tile<'_>, usize),
        sizes: InputSizes,
    ) {
        let start = self.groups.len();
        self.groups.resize(start + sizes.total(), simd.zero::<T>());
        let (x, rest) = self.groups[start..].split_at_mut(sizes.x);
        let (labels, label_weights) = rest.split_at_mut(sizes.labels);
        gather_features(simd, data, tile, features, x);
        gather_labels(simd, data, tile, labels, label_weights);
        self.tiles.push((start, sizes));
    }

    /// The tiles of the batch that starts with sequence `first`.
    pub(super) fn of(&self, first: u32) -> PackedTiles<'_, T, S> {
        PackedTiles { all: self, first: self.first[first as usize / self.batch_size] }
    }
}

/// Calls `take` for each tile, with the number of its batch.
fn for_each_tile<T: Real>(
    data: &Sequences<'_, T>,
    batch_size: usize,
    mut take: impl FnMut(usize, Tile<'_>),
) {
    let mut tiling = Tiling::with_capacity(T::LANES, batch_size).for_gradients();
    let sequences: Vec<u32> = (0..data.len() as u32).collect();
    for (number, batch) in sequences.chunks(batch_size).enumerate() {
        tiling.set(batch, |s| data.range(s as usize).len());
        (0..tiling.len()).for_each(|tile| take(number, tiling.tile(tile)));
    }
}

/// The tiles of a batch.
#[derive(Clone, Copy)]
pub(super) struct PackedTiles<'a, T: Real, S: Simd> {
    all: &'a PackedBatches<T, S>,
    first: usize,
}

impl<'a, T: Real, S: Simd> PackedTiles<'a, T, S> {
    pub(super) fn tile(self, number: usize) -> PassInputs<'a, T::Lanes<S>> {
        let (start, sizes) = self.all.tiles[self.first + number];
        let (x, rest) = self.all.groups[start..].split_at(sizes.x);
        let (labels, rest) = rest.split_at(sizes.labels);
        PassInputs { x, labels, label_weights: &rest[..sizes.label_weights] }
    }

    /// All numbers of the tile after tile `number`, which may be the first of the next batch.
    pub(super) fn after(self, number: usize) -> &'a [T] {
        let (start, sizes) = self.all.tiles[(self.first + number + 1) % self.all.tiles.len()];
        numbers(&self.all.groups[start..start + sizes.total()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::bptt::Target;
    use crate::cell::Cell;
    use crate::config::{Config, Shape};
    use crate::lanes::simd::{WithSimd, dispatch, level};
    use crate::loss::Loss;
    use crate::objective::Reduction;

    /// The first tile of each batch, and the number of tiles, if batches of 20 out of 44 sequences are
    /// packed for this many epochs.
    struct FirstTiles(usize);

    impl WithSimd for FirstTiles {
        type Output = Option<(Vec<usize>, usize)>;

        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let offsets: Vec<i64> = (0..=44).map(|s| 3 * s).collect();
            let (x, y) = ([0.5f32; 2 * 3 * 44], [1.0; 3 * 44]);
            let data = Sequences::new(&x, &y, &offsets, (2, 1)).unwrap();
            let shape = Shape { input: 2, hidden: 3, output: 1 };
            let layout =
                Layout::new::<f32>(&Config::new(shape, Cell::Elman(Activation::Tanh))).unwrap();
            let spec = EngineSpec {
                target: Target::Loss(Loss::Mse),
                reduction: Reduction::Mean,
                batch_size: 20,
                window: None,
                repeats: self.0,
            };
            let buffers =
                BufferSpec { backward: true, label_columns: 1, ..BufferSpec::predictions(6) };
            let packed = PackedBatches::new(simd, &data, &layout, (spec, buffers))?;
            let first = (0..44).step_by(20).map(|first| packed.of(first).first).collect();
            Some((first, packed.tiles.len()))
        }
    }

    #[test]
    fn packed_for_many_epochs() {
        let level = level().unwrap();
        assert_eq!(dispatch(level, FirstTiles(FEWEST_REPEATS - 1)), None);
        let (first, tiles) = dispatch(level, FirstTiles(FEWEST_REPEATS)).expect("packed");
        let [one, two, three] = first[..] else { panic!("three batches") };
        // The last batch is of four sequences, too few for a tile.
        assert!(one == 0 && 0 < two && two < three && three == tiles, "{first:?} of {tiles}");
    }
}
