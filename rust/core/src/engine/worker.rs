//! What one thread does for a batch: the gradient of some of its parts.

use std::ops::Range;

use super::inputs::BatchInputs;
use super::packed::PackedTiles;
use super::tile::TileWorker;
use super::unit::UnitWorker;
use crate::bptt::{BufferSpec, LossRequest, Target};
use crate::context::CancelCheck;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::Simd;
use crate::packing::{BySequence, ByUnit, Tiling};
use crate::weights::Layout;

/// The buffers of a thread that works on shards: for tiles, and for single sequences.
pub(crate) struct ShardWorker<T: Real, S: Simd> {
    tiles: TileWorker<T, S>,
    single: UnitWorker<T, S>,
}

impl<T: Real, S: Simd> ShardWorker<T, S> {
    /// The total size of its buffers, in numbers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        let [tiles, single] = Self::buffers(layout, buffers);
        TileWorker::<T, S>::size(layout, tiles) + UnitWorker::<T, S>::size(layout, single)
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec, target: Target) -> Self {
        let [tiles, single] = Self::buffers(layout, buffers);
        Self {
            tiles: TileWorker::new(simd, layout, tiles),
            single: UnitWorker::new(simd, layout, single).with_target(layout, single, target),
        }
    }

    /// The specs for tiles, and for single sequences.
    fn buffers(layout: &Layout, buffers: BufferSpec) -> [BufferSpec; 2] {
        [
            buffers.in_windows::<BySequence, T::Lanes<S>>(layout),
            buffers.in_windows::<ByUnit, T::Lanes<S>>(layout),
        ]
    }

    /// `Σ loss` of some parts of a tiling: its tiles, which may be packed, and then its single
    /// segments. Adds their gradient to `gradient`.
    pub(crate) fn add(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (tiling, packed, parts): (&Tiling, Option<PackedTiles<'_, T, S>>, Range<usize>),
        request: &LossRequest<T>,
        gradient: &mut Aligned<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        let tiles = parts.start.min(tiling.len())..parts.end.min(tiling.len());
        let total = self.tiles.add(inputs, (tiling, packed, tiles), request, gradient, cancel)?;
        if parts.end <= tiling.len() {
            return Ok(total);
        }
        let single = parts.start.saturating_sub(tiling.len())..parts.end - tiling.len();
        let segments = tiling.single()[single].iter().copied();
        let single = self.single.add(inputs, segments, request, cancel)?;
        if request.gradient {
            add_and_clear(gradient, self.single.gradient_mut());
        }
        Ok(total + single)
    }
}

/// Adds a gradient to another, and resets it to 0.
pub(super) fn add_and_clear<T: Real>(sums: &mut [T], gradient: &mut [T]) {
    for (sum, own) in sums.iter_mut().zip(gradient) {
        *sum += *own;
        *own = T::ZERO;
    }
}
