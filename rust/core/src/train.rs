//! Training and scoring: batches, epochs, shuffling, and what to do when the loss runs away.

use std::time::{Duration, Instant};

use crate::bptt::{self, Workspace};
use crate::data::Sequences;
use crate::error::{Error, Result, check_shape};
use crate::loss::{LabelCount, Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::pulse::Pulse;
use crate::real::Real;
use crate::rng::{Purpose, Rng};

/// What is minimised.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// Per label.
    pub loss: Loss,
    /// Over a batch.
    pub reduction: Reduction,
}

/// How a call to [`Network::train`] goes through the data.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Sequences per update.
    pub batch_size: usize,
    /// Whether each epoch has an order of its own; otherwise it is the data's.
    pub shuffle: bool,
    /// Of the orders.
    pub seed: u64,
    /// Epochs that the network has been trained for before; continues the sequence of orders.
    pub first_epoch: usize,
    /// Epochs to train for at most.
    pub epochs: usize,
    /// Ends the call after the epoch in which this much time has passed.
    pub time_budget: Option<Duration>,
}

/// One finished epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochRecord {
    /// The loss over all labels, each batch's before its update.
    pub loss: f64,
    /// Wall time.
    pub seconds: f64,
}

impl<T: Real> Network<T> {
    /// Outputs `(N, L)`, row-major, of every row of `data`.
    pub fn predict(&self, data: &Sequences<'_, T>, pulse: &mut Pulse<'_>) -> Result<Vec<T>> {
        self.check(data, false)?;
        let mut outputs = vec![T::ZERO; data.rows() * self.config().shape.output];
        bptt::predict(self, data, Some(&mut outputs), None, pulse)?;
        Ok(outputs)
    }

    /// States `h_t (N, H)`, row-major, of every row of `data`.
    pub fn hidden_states(&self, data: &Sequences<'_, T>, pulse: &mut Pulse<'_>) -> Result<Vec<T>> {
        self.check(data, false)?;
        let mut states = vec![T::ZERO; data.rows() * self.config().shape.hidden];
        bptt::predict(self, data, None, Some(&mut states), pulse)?;
        Ok(states)
    }

    /// The loss of `data` taken as one batch; 0 if nothing is labelled.
    pub fn loss(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        self.check(data, true)?;
        let order = in_order(data);
        let divisor =
            LabelCount::of(data, &order).divisor(objective.reduction, self.config().shape.output);
        let mut workspace = Workspace::for_forward(self, data.longest());
        let mut total = 0.0;
        for s in 0..data.len() {
            workspace.forward(self, data.features(s), pulse)?;
            total += workspace.loss(self, data.labels(s), objective.loss, T::ZERO);
        }
        Ok(mean(total, divisor))
    }

    /// The loss of `data` taken as one batch, and its gradient in the layout's order.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        pulse: &mut Pulse<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.check(data, true)?;
        let mut workspace = Workspace::for_training(self, data.longest());
        let (sum, divisor) =
            batch_gradient(self, data, &in_order(data), objective, &mut workspace, pulse)?;
        Ok((mean(sum, divisor), workspace.gradient))
    }

    /// Trains on `data`; `records` gets one entry per finished epoch, also when the call ends
    /// early with [`Error::Diverged`] or [`Error::Cancelled`]. All memory is allocated before the
    /// first epoch but for `records`, which the caller may have reserved.
    pub fn train(
        &mut self,
        data: &Sequences<'_, T>,
        objective: Objective,
        schedule: &Schedule,
        optimizer: &mut dyn Optimizer<T>,
        records: &mut Vec<EpochRecord>,
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        self.check(data, true)?;
        if schedule.batch_size == 0 {
            return Err(Error::Parameter {
                what: "batch_size",
                expected: "at least 1",
                got: "0".into(),
            });
        }
        let mut trainer = Trainer {
            workspace: Workspace::for_training(self, data.longest()),
            order: in_order(data),
        };
        let start = Instant::now();
        let mut lap = start;
        for epoch in schedule.first_epoch..schedule.first_epoch + schedule.epochs {
            trainer.arrange(schedule, epoch);
            let loss = trainer.epoch(self, data, objective, (schedule, epoch), optimizer, pulse)?;
            let now = Instant::now();
            records.push(EpochRecord { loss, seconds: (now - lap).as_secs_f64() });
            lap = now;
            if schedule.time_budget.is_some_and(|budget| now - start >= budget) {
                break;
            }
        }
        Ok(())
    }

    /// That `data` is of this network's sizes, and labelled where labels are needed.
    fn check(&self, data: &Sequences<'_, T>, labels_needed: bool) -> Result<()> {
        let shape = self.config().shape;
        let columns = (data.input_size(), data.output_size());
        check_shape(columns.0 == shape.input, "features", shape.input, columns.0)?;
        check_shape(columns.1 == shape.output, "labels", shape.output, columns.1)?;
        check_shape(!labels_needed || data.has_labels(), "labels", "one row per step", "none")
    }
}

/// The sequences in the data's order.
fn in_order<T>(data: &Sequences<'_, T>) -> Vec<u32> {
    (0..data.len() as u32).collect()
}

/// What one call to [`Network::train`] keeps from batch to batch.
struct Trainer<T> {
    workspace: Workspace<T>,
    order: Vec<u32>,
}

impl<T: Real> Trainer<T> {
    /// Sets the order of `epoch`, which depends on the seed and the epoch's number alone.
    fn arrange(&mut self, schedule: &Schedule, epoch: usize) {
        if schedule.shuffle {
            self.order.iter_mut().zip(0..).for_each(|(item, s)| *item = s);
            Rng::new(schedule.seed, Purpose::Order, epoch as u64).shuffle(&mut self.order);
        }
    }

    /// One pass over the data; returns the mean loss.
    fn epoch(
        &mut self,
        network: &mut Network<T>,
        data: &Sequences<'_, T>,
        objective: Objective,
        (schedule, epoch): (&Schedule, usize),
        optimizer: &mut dyn Optimizer<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        let (mut total, mut divisors) = (0.0, 0.0);
        for (number, batch) in self.order.chunks(schedule.batch_size).enumerate() {
            let diverged = Error::Diverged { epoch: epoch + 1, batch: number + 1 };
            let (sum, divisor) =
                batch_gradient(network, data, batch, objective, &mut self.workspace, pulse)?;
            if divisor == 0.0 {
                continue;
            }
            if !sum.is_finite() {
                // The last update led here.
                network.undo();
                return Err(diverged);
            }
            let gradient = &self.workspace.gradient;
            if !network.update(|parameters| optimizer.step(parameters, gradient)) {
                return Err(diverged);
            }
            self.workspace.refresh(network);
            total += sum;
            divisors += divisor;
        }
        Ok(mean(total, divisors))
    }
}

/// The loss of a batch from its parts; 0 if there is no label.
fn mean(sum: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { sum / divisor } else { 0.0 }
}

/// `Σ e` of one batch and its divisor; the gradient of their quotient goes to the workspace.
fn batch_gradient<T: Real>(
    network: &Network<T>,
    data: &Sequences<'_, T>,
    batch: &[u32],
    objective: Objective,
    workspace: &mut Workspace<T>,
    pulse: &mut Pulse<'_>,
) -> Result<(f64, f64)> {
    workspace.gradient.fill(T::ZERO);
    let divisor =
        LabelCount::of(data, batch).divisor(objective.reduction, network.config().shape.output);
    if divisor == 0.0 {
        return Ok((0.0, divisor));
    }
    let scale = T::from_f64(1.0 / divisor);
    let mut total = 0.0;
    for &s in batch {
        let (x, labels) = (data.features(s as usize), data.labels(s as usize));
        workspace.forward(network, x, pulse)?;
        total += workspace.loss(network, labels, objective.loss, scale);
        workspace.backward(network, x, pulse)?;
    }
    network.layout().clear_padding(&mut workspace.gradient);
    Ok((total, divisor))
}
