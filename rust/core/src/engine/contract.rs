//! The contract of the engine: what may be requested for a batch, and what an engine can do.

use crate::bptt::{DropoutMasks, LossRequest, Target};
use crate::data::{Segment, Sequences};
use crate::error::Result;
use crate::lanes::Real;
use crate::objective::{LabelWeight, Reduction};
use crate::optim::{Clip, Optimizer};

/// The approximate cost of counting the labels of a sequence, in multiply-adds.
pub(super) const LABEL_WORK: usize = 32;

/// What to compute for a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRequest {
    /// Whether the gradient is wanted, or the loss alone.
    pub(crate) gradient: bool,
    /// Dropout, if any.
    pub(crate) masks: Option<DropoutMasks>,
    /// The window of steps, (from, how many), unless the batch is of whole sequences. It starts from
    /// the states that the previous window left.
    pub(crate) window: Option<(usize, usize)>,
}

/// Computes losses and gradients of batches, and updates the weights.
pub(crate) trait Engine<T> {
    /// Returns `Σ loss` of a batch and its divisor; keeps the gradient of their quotient if it is
    /// wanted. Both are 0 if the batch has no label. The sequences `upcoming` are likely to come next,
    /// and are prefetched.
    fn batch(
        &mut self,
        batch: &[u32],
        upcoming: &[u32],
        request: BatchRequest,
    ) -> Result<(f64, f64)>;

    /// The gradient of the last batch, in the layout's order; 0 after an update.
    fn gradient(&self) -> &[T];

    /// Clips that gradient and lets an optimiser update the weights with it; see
    /// [`Network::update`](crate::Network::update).
    fn update(&mut self, optimizer: &mut dyn Optimizer<T>, rate: f64, clip: &Clip) -> bool;

    /// Undoes the last update.
    fn undo(&mut self);
}

/// What a call does with an engine. It is compiled for each engine: a batch may take a few hundred
/// instructions, next to which virtual calls would be noticeable.
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
    /// How often the same batches, of consecutive sequences, are repeated; 1 if they differ.
    pub(crate) repeats: usize,
}

impl EngineSpec {
    /// What to request from the passes of a batch, and the divisor of its loss; `None` if there is
    /// nothing to compute.
    #[inline(always)]
    pub(super) fn loss_request<T: Real>(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        request: BatchRequest,
    ) -> Option<(LossRequest<T>, f64)> {
        let divisor = self.divisor(data, batch, request);
        // Labels whose weights are so small that the reciprocal overflows count as none.
        let labelled = divisor >= T::MIN_POSITIVE.to_f64();
        // Without labels there is nothing to learn, but windows still carry states on.
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
