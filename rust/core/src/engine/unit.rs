//! Gradients and outputs of one sequence at a time.

use super::inputs::{BatchInputs, load_states};
use crate::bptt::{
    BufferSpec, DropoutMasks, Fused, InputBuffers, LossRequest, Pass, Target, Trace, windows,
};
use crate::context::CancelCheck;
use crate::data::Segment;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, numbers, numbers_mut};
use crate::loss::Loss;
use crate::packing::{ByUnit, Packing};
use crate::weights::Layout;

/// How many numbers of the next sequence are prefetched; more would evict what is in use.
const AHEAD: usize = 1024;

/// The buffers of a thread that works on one sequence at a time.
pub(crate) struct UnitWorker<T: Real, S: Simd> {
    simd: S,
    /// Features and labels of the current sequence.
    loaded: InputBuffers<T::Lanes<S>>,
    pass: Pass<ByUnit, T::Lanes<S>>,
    gradient: Vec<T::Lanes<S>>,
    /// The fused path for losses and gradients, if it supports all sequences.
    fused: Option<Fused<T::Lanes<S>>>,
    /// The most steps of a pass; longer sequences go in windows.
    window: usize,
}

impl<T: Real, S: Simd> UnitWorker<T, S> {
    /// The total size of its buffers, in numbers.
    pub(crate) fn size(layout: &Layout, buffers: BufferSpec) -> usize {
        let gradient = if buffers.backward { layout.len() } else { 0 };
        buffers.size::<ByUnit, T::Lanes<S>>(layout) + gradient
    }

    pub(crate) fn new(simd: S, layout: &Layout, buffers: BufferSpec) -> Self {
        let loaded = InputBuffers::new::<ByUnit>(simd, layout, buffers);
        let pass = Pass::new(simd, layout, buffers);
        let groups = if buffers.backward { layout.len() / T::LANES } else { 0 };
        let gradient = vec![simd.zero::<T>(); groups];
        Self { simd, loaded, pass, gradient, fused: None, window: buffers.steps }
    }

    /// Prepares for losses and gradients of this target, on the fused path if it is supported.
    pub(crate) fn with_target(self, layout: &Layout, buffers: BufferSpec, target: Target) -> Self {
        let BufferSpec { carried, steps, .. } = buffers;
        let fused = if carried { None } else { Fused::new(self.simd, layout, steps, target) };
        Self { fused, ..self }
    }

    /// Whether gradients need the [`Transposed`](crate::weights::Transposed) weights.
    pub(crate) fn needs_transposed(&self) -> bool {
        self.fused.is_none()
    }

    /// The gradient that [`Self::add`] adds to, in the layout's order; initially 0.
    pub(crate) fn gradient(&self) -> &[T] {
        numbers(&self.gradient)
    }

    /// Mutable access to this gradient.
    pub(crate) fn gradient_mut(&mut self) -> &mut [T] {
        numbers_mut(&mut self.gradient)
    }

    /// `Σ loss` of some segments; adds their gradient.
    pub(crate) fn add(
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
        let mut total = 0.0;
        for segment in segments {
            if let Some(fused) = &mut self.fused {
                let rows = (&inputs.data.segment_rows(segment), segment.steps as usize);
                total += fused.run(self.simd, &inputs.network, rows, request, &mut self.gradient);
                cancel.spend(3 * segment.steps as usize * inputs.network.layout.len())?;
                continue;
            }
            if segment.steps as usize > self.window {
                total += self.in_windows(inputs, segment, request, cancel)?;
                continue;
            }
            let trace = self.forward(inputs, segment, request.masks, cancel)?;
            if let Some((states, _)) = inputs.carried {
                let hidden = inputs.network.config.shape.hidden;
                states.keep::<ByUnit, _>(trace, hidden, std::iter::once((0, segment)));
            }
            total += self.pass.loss(inputs.network, self.loaded.view(), request);
            if request.gradient {
                let gradient = (numbers_mut(&mut self.gradient), true);
                self.pass.backward(inputs.network, &self.loaded.x, gradient, cancel)?;
            }
        }
        Ok(total)
    }

    /// [`Self::add`] for one sequence, window by window.
    fn in_windows(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        segment: Segment,
        request: &LossRequest<T>,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<f64> {
        let count = (segment.steps as usize).div_ceil(self.window);
        let mut losses = vec![0.0; count];
        for window in windows(count, request.gradient) {
            self.pass.trace.start_window(window.number);
            self.forward(inputs, self.part(segment, window.number), request.masks, cancel)?;
            let target = (numbers_mut(&mut self.gradient), &mut *cancel);
            let rows = self.loaded.view();
            losses[window.number] +=
                self.pass.finish_window(inputs.network, (window, rows), request, target)?;
        }
        self.pass.trace.set_carried(false);
        // Summed in order of time, whether or not there is a gradient.
        Ok(losses.iter().sum())
    }

    /// Computes the states and outputs of one sequence, leaving them in the trace.
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
        self.pass.forward(inputs.network, &self.loaded.x, &[], cancel)?;
        Ok(&self.pass.trace)
    }

    /// The trace of the last pass.
    pub(crate) fn trace(&self) -> &Trace<T::Lanes<S>> {
        &self.pass.trace
    }

    /// Window `number` of a sequence.
    fn part(&self, segment: Segment, number: usize) -> Segment {
        let (before, most) = ((number * self.window) as u32, self.window as u32);
        Segment {
            from: segment.from + before,
            steps: (segment.steps - before).min(most),
            ..segment
        }
    }

    /// Computes the outputs of one sequence and passes them to `take`, window by window: the first
    /// step, and the rows from there on.
    pub(crate) fn outputs(
        &mut self,
        inputs: &BatchInputs<'_, T>,
        segment: Segment,
        (loss, masks): (Loss, Option<DropoutMasks>),
        cancel: &mut CancelCheck<'_>,
        mut take: impl FnMut(usize, &[T::Lanes<S>]),
    ) -> Result<()> {
        let count = (segment.steps as usize).div_ceil(self.window);
        for number in 0..count {
            self.pass.trace.start_window(number);
            self.forward(inputs, self.part(segment, number), masks, cancel)?;
            if number + 1 < count {
                self.pass.trace.keep_states(number + 1);
            }
            self.pass.activate(inputs.network, loss);
            let trace = &self.pass.trace;
            let rows = trace.steps * inputs.network.config.shape.output;
            take(number * self.window, &trace.logits[..rows]);
        }
        Ok(())
    }

    /// Loads a segment into the buffers, and its initial state into the trace.
    fn load(&mut self, inputs: &BatchInputs<'_, T>, segment: Segment) {
        let config = inputs.network.config;
        let rows = inputs.data.segment_rows(segment);
        let trace = &mut self.pass.trace;
        trace.steps = segment.steps as usize;
        let stride = ByUnit::groups(config.features(), T::LANES) * T::LANES;
        let x = numbers_mut(&mut self.loaded.x).chunks_exact_mut(stride);
        for (to, x) in x.zip(rows.features.chunks_exact(config.features())) {
            to[..x.len()].copy_from_slice(x);
        }
        trace.statics.set_one(inputs.data.statics(segment.sequence as usize));
        for (to, &label) in self.loaded.labels.iter_mut().zip(rows.labels) {
            *to = self.simd.splat(label);
        }
        for (to, &weight) in self.loaded.label_weights.iter_mut().zip(rows.label_weights) {
            *to = self.simd.splat(weight);
        }
        load_states::<ByUnit, _, _>(inputs, trace, std::iter::once((0, segment)));
    }
}
