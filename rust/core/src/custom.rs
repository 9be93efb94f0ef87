//! Training by a loss that is computed outside, once per batch.
//!
//! A batch is run forward, its outputs are handed out, and their derivatives come back; then it is
//! run again, forward and back. That costs a second way forward, and no batch is kept in the
//! meantime.

use crate::bptt::Masks;
use crate::context::Context;
use crate::data::Sequences;
use crate::engine::Request;
use crate::epochs::{EpochRecord, Pace, Schedule, in_order};
use crate::error::{Error, Result, check_shape};
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::real::Real;
use crate::reduction::Reduction;
use crate::train::Objective;

/// A loss of the outputs of a whole batch.
pub trait BatchLoss<T> {
    /// The loss of outputs `(R, L)` against labels `(R, C)`, and its derivative by the outputs; R
    /// is the rows of a batch, or its sequences with a readout of these. None ends the call with
    /// [`Error::Cancelled`].
    fn value_and_gradient(&mut self, outputs: &[T], labels: &[T]) -> Option<(f64, Vec<T>)>;
}

/// Derivatives by outputs, as labels.
const GIVEN: Objective = Objective { loss: Loss::Given, reduction: Reduction::Mean };

impl<T: Real> Network<T> {
    /// The loss of `data` taken as one batch and its gradient in the layout's order; the gradient
    /// is empty if it is not asked for.
    pub fn gradient_by(
        &self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        (gradient, dropout_seed): (bool, Option<u64>),
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        let masks = dropout_seed.map(Masks::of_seed);
        self.batch_by(data, loss, (gradient, masks), context)
    }

    fn batch_by(
        &self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        (gradient, masks): (bool, Option<Masks>),
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        check_shape(data.has_labels(), "labels", "one row per step", "none")?;
        let outputs = self.outputs(data, (Loss::Given, masks), context)?;
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
        // Among labels, where derivatives are to stand, NaN would mean that there is none.
        let finite = d_outputs.iter().all(|d| d.is_finite());
        let value = if finite { value } else { f64::NAN };
        if !gradient || !finite {
            return Ok((value, vec![T::ZERO; if gradient { self.layout().len() } else { 0 }]));
        }
        let d_outputs = self.by_step(data, d_outputs);
        let offsets: Vec<i64> = (0..=data.len()).map(|s| data.offset(s)).collect();
        let sizes = (self.config().shape.input, self.config().shape.output);
        let given = Sequences::new(data.all_features(), &d_outputs, &offsets, sizes)?;
        let request = Request { gradient: true, masks, window: None };
        Ok((value, self.one_batch(&given, GIVEN, request, context)?.1))
    }

    /// Rows of outputs as rows of steps: those of sequences stand at their ends.
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

    /// [`Self::train`] by a loss that is computed outside. The loss of an epoch is the mean over its
    /// batches, each counting by its rows.
    pub fn train_by(
        &mut self,
        data: &Sequences<'_, T>,
        loss: &mut dyn BatchLoss<T>,
        schedule: &Schedule<'_>,
        optimizer: &mut dyn Optimizer<T>,
        records: &mut Vec<EpochRecord>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.check_schedule(schedule)?;
        if let Some(steps) = schedule.bptt_steps {
            let (what, expected) = ("bptt_steps", "None with a loss of whole batches");
            return Err(Error::Parameter { what, expected, got: steps.to_string() });
        }
        schedule.run(in_order(data), records, |pace, order| {
            self.pass_by((data, order), loss, (schedule, pace), optimizer, context)
        })
    }

    /// One pass over the data; returns the mean loss.
    fn pass_by(
        &mut self,
        (data, order): (&Sequences<'_, T>, &[u32]),
        loss: &mut dyn BatchLoss<T>,
        (schedule, (epoch, rate)): (&Schedule<'_>, Pace),
        optimizer: &mut dyn Optimizer<T>,
        context: &mut Context<'_>,
    ) -> Result<f64> {
        let (mut total, mut rows) = (0.0, 0.0);
        for (number, batch) in order.chunks(schedule.batch_size).enumerate() {
            let part = Part::new(data, batch);
            let masks = Masks::of_epoch(schedule.seed, epoch).of_batch(number);
            let (value, mut gradient) =
                self.batch_by(&part.view(data)?, loss, (true, Some(masks)), context)?;
            let diverged = Err(Error::Diverged { epoch: epoch + 1, batch: number + 1 });
            if !value.is_finite() {
                // The last update led here.
                self.undo();
                optimizer.undo();
                return diverged;
            }
            schedule.clip.limit(context.level, &mut gradient);
            if !self.update(optimizer, (context.level, rate), &gradient) {
                return diverged;
            }
            let steps = part.offsets[part.offsets.len() - 1] as usize;
            let count = if self.config().per_sequence() { batch.len() } else { steps } as f64;
            total += value * count;
            rows += count;
        }
        Ok(total / rows)
    }
}

/// Copies of a batch's sequences, back to back.
struct Part<T> {
    features: Vec<T>,
    labels: Vec<T>,
    offsets: Vec<i64>,
}

impl<T: Real> Part<T> {
    fn new(data: &Sequences<'_, T>, batch: &[u32]) -> Self {
        let mut part = Self { features: Vec::new(), labels: Vec::new(), offsets: vec![0] };
        for &sequence in batch {
            part.features.extend_from_slice(data.features(sequence as usize));
            part.labels.extend_from_slice(data.labels(sequence as usize));
            let rows = data.range(sequence as usize).len() as i64;
            part.offsets.push(part.offsets[part.offsets.len() - 1] + rows);
        }
        part
    }

    fn view(&self, whole: &Sequences<'_, T>) -> Result<Sequences<'_, T>> {
        let sizes = (whole.input_size(), whole.label_columns());
        Sequences::new(&self.features, &self.labels, &self.offsets, sizes)
    }
}
