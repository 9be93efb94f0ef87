//! The contract of the engine: what is asked of a batch, and what an engine can do.

use crate::bptt::{DropoutMasks, LossRequest, Target};
use crate::data::{Segment, Sequences};
use crate::error::Result;
use crate::lanes::Real;
use crate::objective::{LabelWeight, Reduction};
use crate::optim::{Clip, Optimizer};

/// What counting the labels of a sequence costs, in multiply-adds, about.
pub(super) const LABEL_WORK: usize = 32;

/// What is asked of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRequest {
    /// Whether the gradient is asked for, or the loss alone.
    pub(crate) gradient: bool,
    /// Dropout, if any.
    pub(crate) masks: Option<DropoutMasks>,
    /// The window of steps, (from, how many), if the batch is not of whole sequences: it begins with
    /// the states that the last window left.
    pub(crate) window: Option<(usize, usize)>,
}

/// Computes losses and gradients of batches, and updates the weights.
pub(crate) trait Engine<T> {
    /// `Σ loss` of a batch and its divisor; the gradient of their quotient is kept, if it is asked
    /// for. Both are 0 if the batch has no label. The sequences `upcoming` are likely to come next,
    /// and are prefetched.
    fn batch(
        &mut self,
        batch: &[u32],
        upcoming: &[u32],
        request: BatchRequest,
    ) -> Result<(f64, f64)>;

    /// The gradient of the last batch, in the layout's order; 0 after an update.
    fn gradient(&self) -> &[T];

    /// Clips that gradient and lets an optimiser change the weights by it; see
    /// [`Network::update`](crate::Network::update).
    fn update(&mut self, optimizer: &mut dyn Optimizer<T>, rate: f64, clip: &Clip) -> bool;

    /// Takes the last update back.
    fn undo(&mut self);
}

/// What a call does with an engine. It is compiled for each: a batch may be a few hundred
/// instructions, beside which calls through a table would be seen.
pub(crate) trait EngineWork<T> {
    /// What it returns.
    type Output;

    /// Runs the call on an engine compiled for one instruction set.
    fn run(self, engine: &mut impl Engine<T>) -> Self::Output;
}

/// What an engine is built for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineSpec {
    pub(crate) target: Target,
    pub(crate) reduction: Reduction,
    pub(crate) batch_size: usize,
    /// The most steps of a window, if sequences are cut into windows.
    pub(crate) window: Option<usize>,
    /// How often the same batches come, which are consecutive sequences; 1 where they differ.
    pub(crate) repeats: usize,
}

impl EngineSpec {
    /// What a batch asks of its passes, and the divisor of its loss; none where there is nothing to
    /// compute.
    #[inline(always)]
    pub(super) fn loss_request<T: Real>(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        request: BatchRequest,
    ) -> Option<(LossRequest<T>, f64)> {
        let divisor = self.divisor(data, batch, request);
        // Labels whose weights are so small that the reciprocal overflows count for nothing.
        let labelled = divisor >= T::MIN_POSITIVE.to_f64();
        // Without labels there may be states to be carried on, but nothing to learn.
        if !labelled && request.window.is_none() {
            return None;
        }
        let scale = T::from_f64(if labelled { 1.0 / divisor } else { 0.0 });
        let gradient = request.gradient && labelled;
        let (target, masks) = (self.target, request.masks);
        Some((LossRequest { target, scale, gradient, masks }, divisor))
    }

    #[inline]
    fn divisor<T: Real>(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        request: BatchRequest,
    ) -> f64 {
        if self.target == Target::OutputGradient {
            return 1.0;
        }
        let mut weight = LabelWeight::default();
        for segment in segments(data, batch, request) {
            weight.add(data, segment);
        }
        weight.divisor(self.reduction, data.label_columns())
    }
}

/// The segments of a batch: whole sequences, or the window of a request.
#[inline]
pub(super) fn segments<T: Real>(
    data: &Sequences<'_, T>,
    batch: &[u32],
    request: BatchRequest,
) -> impl Iterator<Item = Segment> {
    let sequences = batch.iter().copied().enumerate();
    sequences.filter_map(move |at| data.segment(at, request.window))
}
