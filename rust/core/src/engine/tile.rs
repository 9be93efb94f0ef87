//! Gradients and outputs of tiles.

use std::ops::Range;

use super::inputs::{BatchInputs, load_states};
use super::packed::{PackedTiles, gather_features, gather_labels};
use crate::bptt::{BufferSpec, DropoutMasks, InputBuffers, LossRequest, Pass, Trace, windows};
use crate::context::CancelCheck;
use crate::data::Sequences;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::Simd;
use crate::loss::Loss;
use crate::packing::{BySequence, MOST_LANES, Tile, Tiling, scatter};
use crate::weights::Layout;

/// The buffers of a thread that works on tiles.
pub(crate) struct TileWorker<T: Real, S: Simd> {
    simd: S,
    /// Features and labels of the current tile.
    loaded: InputBuffers<T::Lanes<S>>,
    pass: Pass<BySequence, T::Lanes<S>>,
    /// The most steps of a pass. Longer tiles go in windows, the current one in `in_window`.
    window: usize,
    in_window: Tiling,
}

impl<T: Real, S: Simd> TileWorker<T, S> {
    /// The total size of its buffers, in numbers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        buffers.size::<BySequence, T::Lanes<S>>(layout)
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec) -> Self {
        let in_window = Tiling::with_capacity(T::LANES, T::LANES);
        Self {
            simd,
            loaded: InputBuffers::new::<BySequence>(simd, layout, buffers),
            pass: Pass::new(simd, layout, buffers),
            window: buffers.steps,
            in_window,
        }
    }

    /// `Σ loss` of some tiles, which may be packed; adds their gradient to `gradient`.
    pub(super) fn add(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (tiling, packed, tiles): (&Tiling, Option<PackedTiles<'_, T, S>>, Range<usize>),
        request: &LossRequest<T>,
        gradient: &mut Aligned<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        let mut total = 0.0;
        let config = inputs.network.config;
        let features = config.features();
        // After a shard's last tile, the next tile is ours too unless another thread may take it.
        let known = if inputs.alone { tiling.len() } else { tiles.end };
        for number in tiles {
            let lanes = tiling.tile(number);
            if lanes.steps() > self.window {
                total += self.in_windows(inputs, lanes, request, (gradient, cancel))?;
                continue;
            }
            let following = number + 1 < known;
            let rows = if let Some(packed) = packed {
                let rows = packed.tile(number);
                debug_assert_eq!(
                    rows.x.len(),
                    (lanes.steps() * features).next_multiple_of(T::LANES)
                );
                let last = number + 1 == tiling.len();
                let ahead = if following || last { packed.after(number) } else { &[] };
                forward(&mut self.pass, inputs, rows.x, (lanes, &[ahead]), request.masks, cancel)?;
                rows
            } else {
                self.load_labels(inputs.data, lanes);
                self.load_features(inputs.data, lanes, features);
                let rows = self.loaded.view();
                let next = following.then(|| tiling.tile(number + 1));
                let (ahead, count) = ahead_of(inputs, (lanes, next));
                let ahead = (lanes, &ahead[..count]);
                forward(&mut self.pass, inputs, rows.x, ahead, request.masks, cancel)?;
                rows
            };
            if let Some((states, _)) = inputs.carried {
                let trace = &self.pass.trace;
                states.keep::<BySequence, _>(trace, config.shape.hidden, lanes.segments());
            }
            total += self.pass.loss(inputs.network, rows, request);
            if request.gradient {
                self.pass.backward(inputs.network, rows.x, (gradient, true), cancel)?;
            }
        }
        Ok(total)
    }

    /// Loads the labels of a tile into their buffer.
    fn load_labels(&mut self, data: &Sequences<'_, T>, lanes: Tile<'_>) {
        let InputBuffers { labels, label_weights, .. } = &mut self.loaded;
        gather_labels(self.simd, data, lanes, labels, label_weights);
    }

    /// Loads the features of a tile into their buffer.
    fn load_features(&mut self, data: &Sequences<'_, T>, lanes: Tile<'_>, features: usize) {
        gather_features(self.simd, data, lanes, features, &mut self.loaded.x);
    }

    /// [`Self::add`] for one tile, window by window.
    fn in_windows(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        lanes: Tile<'_>,
        request: &LossRequest<T>,
        (gradient, cancel): (&mut Aligned<T>, &mut CancelCheck<'_>),
    ) -> Result<f64> {
        let count = lanes.steps().div_ceil(self.window);
        let mut tiling = std::mem::take(&mut self.in_window);
        let mut losses = vec![0.0; count];
        for step in windows(count, request.gradient) {
            tiling.set_window(lanes, step.number * self.window, self.window);
            let window = tiling.tile(0);
            if step.loss {
                self.load_labels(inputs.data, window);
            }
            self.forward_window(inputs, (window, step.number), request.masks, cancel)?;
            let target = (&mut gradient[..], &mut *cancel);
            let rows = self.loaded.view();
            losses[step.number] +=
                self.pass.finish_window(inputs.network, (step, rows), request, target)?;
            for lane in (0..window.lanes()).filter(|&lane| step.loss && !window.goes_on(lane)) {
                let hidden = inputs.network.config.shape.hidden;
                self.pass.trace.clear_derivative::<BySequence>(lane, hidden);
            }
        }
        self.pass.trace.set_carried(false);
        self.in_window = tiling;
        // Summed in order of time, whether or not there is a gradient.
        Ok(losses.iter().sum())
    }

    /// `forward` for a window of a tile.
    fn forward_window(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (window, number): (Tile<'_>, usize),
        masks: Option<DropoutMasks>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<()> {
        self.pass.trace.start_window(number);
        for lane in (0..window.lanes()).filter(|&lane| !window.goes_on(lane)) {
            let hidden = inputs.network.config.shape.hidden;
            self.pass.trace.clear_initial::<BySequence>(lane, hidden);
        }
        self.load_features(inputs.data, window, inputs.network.config.features());
        let (ahead, count) = ahead_of(inputs, (window, None));
        let ahead = (window, &ahead[..count]);
        forward(&mut self.pass, inputs, &self.loaded.x, ahead, masks, cancel)
    }

    /// The trace of the last pass.
    pub(crate) fn trace(&self) -> &Trace<T::Lanes<S>> {
        &self.pass.trace
    }

    /// Computes the outputs of one tile and hands them to `take`, as [`scatter`] does.
    pub(crate) fn outputs(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        (lanes, next): (Tile<'_>, Option<Tile<'_>>),
        (loss, masks): (Loss, Option<DropoutMasks>),
        cancel: &mut CancelCheck<'_>,
        mut take: impl FnMut(u32, usize, &[T]),
    ) -> Result<()> {
        let outputs = inputs.network.config.shape.output;
        if lanes.steps() <= self.window {
            self.load_features(inputs.data, lanes, inputs.network.config.features());
            let (ahead, count) = ahead_of(inputs, (lanes, next));
            let ahead = (lanes, &ahead[..count]);
            forward(&mut self.pass, inputs, &self.loaded.x, ahead, masks, cancel)?;
            self.pass.activate(inputs.network, loss);
            scatter(self.simd, lanes, outputs, &self.pass.trace.logits, take);
            return Ok(());
        }
        let mut tiling = std::mem::take(&mut self.in_window);
        let count = lanes.steps().div_ceil(self.window);
        for number in 0..count {
            tiling.set_window(lanes, number * self.window, self.window);
            let window = tiling.tile(0);
            self.forward_window(inputs, (window, number), masks, cancel)?;
            if number + 1 < count {
                self.pass.trace.keep_states(number + 1);
            }
            self.pass.activate(inputs.network, loss);
            scatter(self.simd, window, outputs, &self.pass.trace.logits, &mut take);
        }
        self.pass.trace.set_carried(false);
        self.in_window = tiling;
        Ok(())
    }
}

/// Computes states and outputs' pre-activations of one tile with features `x`. Meanwhile, the inputs
/// `ahead` are prefetched.
fn forward<T: Real, S: Simd>(
    pass: &mut Pass<BySequence, T::Lanes<S>>,
    inputs: &BatchInputs<'_, T>,
    x: &[T::Lanes<S>],
    (lanes, ahead): (Tile<'_>, &[&[T]]),
    masks: Option<DropoutMasks>,
    cancel: &mut CancelCheck<'_>,
) -> Result<()> {
    let (config, data) = (inputs.network.config, inputs.data);
    let trace = &mut pass.trace;
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
    trace.statics.set_tile(lanes, |sequence| data.statics(sequence as usize));
    load_states::<BySequence, _, _>(inputs, trace, lanes.segments());
    pass.set_masks(config, masks, lanes.segments());
    pass.forward(inputs.network, x, ahead, cancel)
}

/// The most sequences of a tile whose inputs are prefetched: short ones share lanes.
const MOST_AHEAD: usize = 4 * MOST_LANES;

/// The inputs of the next tile, at the start of an array, and their count.
fn ahead_of<'a, T: Real>(
    inputs: &BatchInputs<'a, T>,
    (lanes, next): (Tile<'_>, Option<Tile<'_>>),
) -> ([&'a [T]; MOST_AHEAD], usize) {
    let mut ahead: [&[T]; MOST_AHEAD] = [&[]; MOST_AHEAD];
    let mut count = 0;
    let mut add = |sequence: u32| {
        if count < MOST_AHEAD {
            ahead[count] = inputs.data.features(sequence as usize);
            count += 1;
        }
    };
    match next {
        Some(next) => next.segments().for_each(|(_, segment)| add(segment.sequence)),
        // The next batch is likely to have a tile like this one.
        None => {
            inputs
                .upcoming
                .iter()
                .take(lanes.segments().count())
                .for_each(|&sequence| add(sequence));
        }
    }
    (ahead, count)
}
