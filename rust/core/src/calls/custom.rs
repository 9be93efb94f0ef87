//! Training with a custom loss, which the caller computes once per batch.
//!
//! A batch is run forward, its outputs are handed out, and their derivatives come back; then it is run
//! again, forward and backward. That costs a second forward pass, but nothing of a batch is kept in the
//! meantime.

use super::compiled::Compiled;
use super::epochs::{Epoch, EpochRecord, EpochRun, in_order};
use crate::bptt::{DropoutMasks, Target};
use crate::context::Context;
use crate::data::Sequences;
use crate::engine::BatchRequest;
use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::loss::Loss;
use crate::objective::Reduction;
use crate::optim::Optimizer;
use crate::weights::Network;

/// A loss computed from the outputs of a whole batch.
pub trait BatchLoss<T> {
    /// The loss of outputs `(R, L)` against labels `(R, C)`, and its derivative by the outputs. R is
    /// the number of rows of a batch, or of sequences if the readout is per sequence. `None` ends the
    /// call with [`Error::Cancelled`].
    fn value_and_gradient(&mut self, outputs: &[T], labels: &[T]) -> Option<(f64, Vec<T>)>;
}

/// A loss that implies no output activation: a custom loss sees the outputs after the network's own
/// activation.
const IMPLIES_NOTHING: Loss = Loss::Mse;

impl<T: Compiled> Network<T> {
    /// The loss of `data` as one batch and its gradient in the layout's order; the gradient is empty
    /// unless requested.
    pub fn gradient_by(
        &self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        (gradient, dropout_seed): (bool, Option<u64>),
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        let masks = dropout_seed.map(DropoutMasks::of_seed);
        self.batch_by(data, loss, (gradient, masks), context)
    }

    fn batch_by(
        &self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        (gradient, masks): (bool, Option<DropoutMasks>),
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        check_shape(data.has_labels(), "labels", "one row per step", "none")?;
        let outputs = self.outputs(data, (IMPLIES_NOTHING, masks), context)?;
        let columns = data.label_columns();
        let mut labels = Vec::new();
        for s in 0..data.len() {
            let own = data.labels(s);
            let first = if self.config().per_sequence() { own.len() - columns } else { 0 };
            labels.extend_from_slice(&own[first..]);
        }
        let (value, d_outputs) =
            loss.value_and_gradient(&outputs, &labels).ok_or(Error::Cancelled)?;
        check_shape(
            d_outputs.len() == outputs.len(),
            "the gradient of the loss",
            format_args!("{} numbers, one for each prediction", outputs.len()),
            d_outputs.len(),
        )?;
        // NaN would mean that an output has no derivative.
        let finite = d_outputs.iter().all(|d| d.is_finite());
        let value = if finite { value } else { f64::NAN };
        if !gradient || !finite {
            return Ok((value, vec![T::ZERO; if gradient { self.layout().len() } else { 0 }]));
        }
        let d_outputs = self.by_step(data, d_outputs);
        let data = data.with_labels(&d_outputs, self.config().shape.output)?;
        let target = (Target::OutputGradient, Reduction::Mean);
        let request = BatchRequest { gradient: true, masks, window: None };
        Ok((value, self.whole_batch(&data, target, request, context)?.1))
    }

    /// Expands rows of outputs to rows of steps: per-sequence rows go to the last steps.
    fn by_step(&self, data: &Sequences<'_, T>, rows: Vec<T>) -> Vec<T> {
        if !self.config().per_sequence() {
            return rows;
        }
        let columns = self.config().shape.output;
        let mut by_step = vec![T::from_f64(f64::NAN); data.rows() * columns];
        for (s, row) in rows.chunks_exact(columns).enumerate() {
            let end = data.range(s).end;
            by_step[(end - 1) * columns..end * columns].copy_from_slice(row);
        }
        by_step
    }

    /// [`Self::train`] with a custom loss. The loss of an epoch is the mean over its batches, weighted
    /// by their rows.
    pub fn train_by(
        &mut self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        run: &EpochRun<'_>,
        optimizer: &mut dyn Optimizer<T>,
        records: &mut Vec<EpochRecord>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.check_run(run)?;
        if let Some(steps) = run.bptt_steps {
            let (what, expected) = ("bptt_steps", "None with a loss of whole batches");
            return Err(Error::Parameter { what, expected, got: steps.to_string() });
        }
        run.each(in_order(data), records, |epoch, order| {
            self.epoch_by((data, order), loss, (run, epoch), optimizer, context)
        })
    }

    /// Runs one epoch; returns the mean loss.
    fn epoch_by(
        &mut self,
        (data, order): (&Sequences<'_, T>, &[u32]),
        loss: &mut dyn BatchLoss<T>,
        (run, epoch): (&EpochRun<'_>, Epoch),
        optimizer: &mut dyn Optimizer<T>,
        context: &mut Context<'_>,
    ) -> Result<f64> {
        let (mut total, mut rows) = (0.0, 0.0);
        for (number, batch) in order.chunks(run.batch_size).enumerate() {
            let copy = BatchCopy::new(data, batch);
            let masks = DropoutMasks::of_epoch(run.seed, epoch.number).of_batch(number);
            let (value, mut gradient) =
                self.batch_by(&copy.view(data)?, loss, (true, Some(masks)), context)?;
            let diverged = Err(Error::Diverged { epoch: epoch.number + 1, batch: number + 1 });
            if !value.is_finite() {
                // The last update caused this: undo it.
                self.undo();
                optimizer.undo();
                return diverged;
            }
            run.clip.limit(context.level, &mut gradient);
            if !self.update(optimizer, (context.level, epoch.learning_rate), &mut gradient) {
                return diverged;
            }
            let steps = copy.offsets[copy.offsets.len() - 1] as usize;
            let count = if self.config().per_sequence() { batch.len() } else { steps } as f64;
            total += value * count;
            rows += count;
        }
        Ok(total / rows)
    }
}

/// Copies of a batch's sequences, back to back.
struct BatchCopy<T> {
    features: Vec<T>,
    labels: Vec<T>,
    statics: Vec<T>,
    initial: Vec<T>,
    offsets: Vec<i64>,
}

impl<T: Real> BatchCopy<T> {
    fn new(data: &Sequences<'_, T>, batch: &[u32]) -> Self {
        let (features, labels) = (Vec::new(), Vec::new());
        let (statics, initial) = (Vec::new(), Vec::new());
        let mut copy = Self { features, labels, statics, initial, offsets: vec![0] };
        for &sequence in batch {
            copy.features.extend_from_slice(data.features(sequence as usize));
            copy.labels.extend_from_slice(data.labels(sequence as usize));
            copy.initial.extend_from_slice(data.initial_state(sequence as usize));
            copy.statics.extend_from_slice(data.statics(sequence as usize));
            let rows = data.range(sequence as usize).len() as i64;
            copy.offsets.push(copy.offsets[copy.offsets.len() - 1] + rows);
        }
        copy
    }

    fn view(&self, whole: &Sequences<'_, T>) -> Result<Sequences<'_, T>> {
        let sizes = (whole.input_size(), whole.label_columns());
        Sequences::new(&self.features, &self.labels, &self.offsets, sizes)?
            .with_statics(&self.statics, whole.static_size())?
            .with_initial_states(&self.initial, whole.state_len())
    }
}
