//! What one thread does for a batch: the gradient, or the outputs, of some of its sequences.

use std::ops::Range;

use crate::bptt::{BufferSpec, DropoutMasks, Fused, LossRequest, Pass, Target, Trace};
use crate::context::CancelCheck;
use crate::data::{Segment, Sequences};
use crate::engine::carry::CarriedStates;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::{Simd, numbers, numbers_mut};
use crate::loss::Loss;
use crate::packing::{BySequence, ByUnit, MOST_LANES, Packing, Tile, Tiling, gather, scatter};
use crate::weights::{Layout, NetworkView};

/// Numbers of the next sequence that are prefetched; more would evict what is in use.
const AHEAD: usize = 1024;

/// The network and the data that a batch is computed from.
#[derive(Clone, Copy)]
pub(crate) struct BatchInputs<'a, T> {
    pub(crate) network: NetworkView<'a, T>,
    pub(crate) data: &'a Sequences<'a, T>,
    /// Sequences that are likely to come next.
    pub(crate) upcoming: &'a [u32],
    /// States that are carried from window to window, if that is done; and whether this is the
    /// first window.
    pub(crate) carried: Option<(&'a CarriedStates<T>, bool)>,
}

/// The buffers of a thread that works on one sequence after the other.
pub(crate) struct UnitWorker<T: Real, S: Simd> {
    simd: S,
    pass: Pass<ByUnit, T::Lanes<S>>,
    gradient: Vec<T::Lanes<S>>,
    /// For losses and gradients, where the fused path serves all of them.
    fused: Option<Fused<T::Lanes<S>>>,
}

impl<T: Real, S: Simd> UnitWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        let gradient = if buffers.backward { layout.len() } else { 0 };
        Trace::<T::Lanes<S>>::size::<ByUnit>(layout, buffers) + gradient
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec) -> Self {
        let pass = Pass::new(simd, layout, buffers);
        let groups = if buffers.backward { layout.len() / T::LANES } else { 0 };
        Self { simd, pass, gradient: vec![simd.zero::<T>(); groups], fused: None }
    }

    /// The same for losses and gradients of this target: with the fused path, where it serves.
    pub(crate) fn with_target(self, layout: &Layout, buffers: BufferSpec, target: Target) -> Self {
        let BufferSpec { carried, steps, .. } = buffers;
        let fused = if carried { None } else { Fused::new(self.simd, layout, steps, target) };
        Self { fused, ..self }
    }

    /// Whether gradients need the [`Transposed`](crate::weights::Transposed) weights.
    pub(crate) fn needs_transposed(&self) -> bool {
        self.fused.is_none()
    }

    /// The gradient that [`Self::set`] left, in the layout's order.
    pub(crate) fn gradient(&self) -> &[T] {
        numbers(&self.gradient)
    }

    /// The same, to be changed.
    pub(crate) fn gradient_mut(&mut self) -> &mut [T] {
        numbers_mut(&mut self.gradient)
    }

    /// `Σ loss` of some segments; sets the gradient to theirs.
    pub(crate) fn set(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        segments: impl Iterator<Item = Segment>,
        request: &LossRequest<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        if let Some(&next) = inputs.upcoming.first() {
            let next = inputs.data.features(next as usize);
            for number in next[..next.len().min(AHEAD)].iter().step_by(T::LANES) {
                self.simd.prefetch(number);
            }
        }
        let (mut total, mut first) = (0.0, true);
        for segment in segments {
            if let Some(fused) = &mut self.fused {
                let target = (&mut self.gradient[..], first);
                let rows = (&inputs.data.segment_rows(segment), segment.steps as usize);
                total += fused.run(self.simd, &inputs.network, rows, request, target);
                cancel.spend(3 * segment.steps as usize * inputs.network.layout.len())?;
                first = false;
                continue;
            }
            let trace = self.forward(inputs, segment, request.masks, cancel)?;
            if let Some((states, _)) = inputs.carried {
                let hidden = inputs.network.config.shape.hidden;
                states.keep::<ByUnit, _>(trace, hidden, std::iter::once((0, segment)));
            }
            total += self.pass.loss(inputs.network, request);
            if request.gradient {
                let gradient = numbers_mut(&mut self.gradient);
                if first {
                    gradient.fill(T::ZERO);
                }
                self.pass.backward(inputs.network, gradient, cancel)?;
            }
            first = false;
        }
        Ok(total)
    }

    /// Computes states and outputs of one sequence, which stand in the trace then.
    pub(crate) fn forward(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        segment: Segment,
        masks: Option<DropoutMasks>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<&Trace<T::Lanes<S>>> {
        self.load(inputs, segment);
        let config = inputs.network.config;
        self.pass.set_masks(config, masks, std::iter::once((0, segment)));
        self.pass.forward(inputs.network, &[], cancel)?;
        Ok(&self.pass.trace)
    }

    /// Turns the pre-activations that [`Self::forward`] left into outputs.
    pub(crate) fn activate(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        loss: Loss,
    ) -> &Trace<T::Lanes<S>> {
        self.pass.activate(inputs.network, loss);
        &self.pass.trace
    }

    /// Takes a segment of a sequence into the trace.
    fn load(&mut self, inputs: &BatchInputs<'_, T>, segment: Segment) {
        let config = inputs.network.config;
        let rows = inputs.data.segment_rows(segment);
        let trace = &mut self.pass.trace;
        trace.steps = segment.steps as usize;
        let stride = ByUnit::groups(config.shape.input, T::LANES) * T::LANES;
        let x = numbers_mut(&mut trace.x).chunks_exact_mut(stride);
        for (to, x) in x.zip(rows.features.chunks_exact(config.shape.input)) {
            to[..x.len()].copy_from_slice(x);
        }
        for (to, &label) in trace.labels.iter_mut().zip(rows.labels) {
            *to = self.simd.splat(label);
        }
        for (to, &weight) in trace.label_weights.iter_mut().zip(rows.label_weights) {
            *to = self.simd.splat(weight);
        }
        if let Some((states, first)) = inputs.carried {
            trace.set_carried(!first);
            let segments = std::iter::once((0, segment));
            states.load::<ByUnit, _>(trace, config.shape.hidden, segments);
        }
    }
}

/// The buffers of a thread that works on tiles.
pub(crate) struct TileWorker<T: Real, S: Simd> {
    simd: S,
    pass: Pass<BySequence, T::Lanes<S>>,
}

impl<T: Real, S: Simd> TileWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        Trace::<T::Lanes<S>>::size::<BySequence>(layout, buffers)
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec) -> Self {
        Self { simd, pass: Pass::new(simd, layout, buffers) }
    }

    /// `Σ loss` of some tiles; sets `gradient` to theirs.
    pub(crate) fn set(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (tiling, tiles): (&Tiling, Range<usize>),
        request: &LossRequest<T>,
        gradient: &mut Aligned<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        let mut total = 0.0;
        let (config, data) = (inputs.network.config, inputs.data);
        if request.gradient {
            gradient.fill(T::ZERO);
        }
        for number in tiles.clone() {
            let lanes = tiling.tile(number);
            let columns = data.label_columns();
            let trace = &mut self.pass.trace;
            let nan = T::from_f64(f64::NAN);
            gather(self.simd, lanes, columns, |s| data.labels_of(s), nan, &mut trace.labels);
            if data.has_label_weights() {
                let weights = |s| data.label_weights_of(s);
                gather(self.simd, lanes, columns, weights, T::ZERO, &mut trace.label_weights);
            }
            let next = (number + 1 < tiles.end).then(|| tiling.tile(number + 1));
            self.forward(inputs, (lanes, next), request.masks, cancel)?;
            if let Some((states, _)) = inputs.carried {
                let trace = &self.pass.trace;
                states.keep::<BySequence, _>(trace, config.shape.hidden, lanes.segments());
            }
            total += self.pass.loss(inputs.network, request);
            if request.gradient {
                self.pass.backward(inputs.network, gradient, cancel)?;
            }
        }
        Ok(total)
    }

    /// Computes states and outputs' pre-activations of one tile.
    fn forward(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (lanes, next): (Tile<'_>, Option<Tile<'_>>),
        masks: Option<DropoutMasks>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<()> {
        let (config, data) = (inputs.network.config, inputs.data);
        let trace = &mut self.pass.trace;
        trace.steps = lanes.steps();
        trace.starts.clear();
        for lane in 0..lanes.lanes() {
            let segments = lanes.lane(lane);
            if segments.len() == 1 && lanes.load(lane) == lanes.steps() {
                continue;
            }
            let inner = segments.iter().map(|segment| segment.start as usize);
            for t in inner.chain(lanes.load(lane)..lanes.steps()) {
                trace.starts.add(t, lane);
            }
        }
        let features = |s| data.features_of(s);
        gather(self.simd, lanes, config.shape.input, features, T::ZERO, &mut trace.x);
        if let Some((states, first)) = inputs.carried {
            trace.set_carried(!first);
            states.load::<BySequence, _>(trace, config.shape.hidden, lanes.segments());
        }
        self.pass.set_masks(config, masks, lanes.segments());
        self.pass.forward(inputs.network, &ahead(inputs, next)[..T::LANES], cancel)
    }

    /// Computes the outputs of one tile and hands them to `take`, as [`scatter`] does.
    pub(crate) fn outputs(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (lanes, next): (Tile<'_>, Option<Tile<'_>>),
        (loss, masks): (Loss, Option<DropoutMasks>),
        cancel: &mut CancelCheck<'_>,
        take: impl FnMut(u32, usize, &[T]),
    ) -> Result<()> {
        self.forward(inputs, (lanes, next), masks, cancel)?;
        self.pass.activate(inputs.network, loss);
        let outputs = inputs.network.config.shape.output;
        scatter(self.simd, lanes, outputs, &self.pass.trace.logits, take);
        Ok(())
    }
}

/// The buffers of a thread that works on shards: tiles, and single sequences.
pub(crate) struct ShardWorker<T: Real, S: Simd> {
    tiles: TileWorker<T, S>,
    single: UnitWorker<T, S>,
}

impl<T: Real, S: Simd> ShardWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        TileWorker::<T, S>::size(layout, buffers) + UnitWorker::<T, S>::size(layout, buffers)
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec, target: Target) -> Self {
        let single = UnitWorker::new(simd, layout, buffers).with_target(layout, buffers, target);
        Self { tiles: TileWorker::new(simd, layout, buffers), single }
    }

    /// `Σ loss` of a tiling's tiles from `parts`; sets `gradient` to theirs. The part after all tiles
    /// is the single segments.
    pub(crate) fn set(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (tiling, parts): (&Tiling, Range<usize>),
        request: &LossRequest<T>,
        gradient: &mut Aligned<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        let tiles = parts.start.min(tiling.len())..parts.end.min(tiling.len());
        let total = self.tiles.set(inputs, (tiling, tiles), request, gradient, cancel)?;
        if parts.end <= tiling.len() {
            return Ok(total);
        }
        let segments = tiling.single().iter().copied();
        let single = self.single.set(inputs, segments, request, cancel)?;
        if request.gradient {
            let own = self.single.gradient();
            gradient.iter_mut().zip(own).for_each(|(sum, &g)| *sum += g);
        }
        Ok(total + single)
    }
}

/// The inputs that the lanes of the next tile begin with.
fn ahead<'a, T: Real>(
    inputs: &BatchInputs<'a, T>,
    next: Option<Tile<'_>>,
) -> [&'a [T]; MOST_LANES] {
    let mut ahead: [&[T]; MOST_LANES] = [&[]; MOST_LANES];
    for (lane, x) in ahead.iter_mut().enumerate().take(T::LANES) {
        let sequence = match next {
            Some(next) => next.lane(lane).first().map(|segment| segment.sequence),
            None => inputs.upcoming.get(lane).copied(),
        };
        *x = sequence.map_or(&[], |s| inputs.data.features(s as usize));
    }
    ahead
}
