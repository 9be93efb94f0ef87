//! Training and scoring: what a network can be asked for.

use std::time::{Duration, Instant};

use crate::context::{Context, check_memory};
use crate::data::Sequences;
use crate::engine::{Engine, Job, with_engine};
use crate::error::{Error, Result, check_shape};
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::predict::{HiddenStates, Predict};
use crate::real::Real;
use crate::rng::{Purpose, Rng};
use crate::simd::{Simd, Task, dispatch};

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
    pub fn predict(&self, data: &Sequences<'_, T>, context: &mut Context<'_>) -> Result<Vec<T>> {
        self.check(data, false)?;
        let len = data.rows() * self.config().shape.output;
        check_memory::<T>(len)?;
        let mut outputs = vec![T::ZERO; len];
        let level = context.level;
        dispatch(level, Predict { network: self, data, outputs: &mut outputs, context })?;
        Ok(outputs)
    }

    /// States `h_t (N, H)`, row-major, of every row of `data`.
    pub fn hidden_states(
        &self,
        data: &Sequences<'_, T>,
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.check(data, false)?;
        let len = data.rows() * self.config().shape.hidden;
        check_memory::<T>(len)?;
        let mut states = vec![T::ZERO; len];
        let level = context.level;
        dispatch(level, HiddenStates { network: self, data, states: &mut states, context })?;
        Ok(states)
    }

    /// The loss of `data` taken as one batch; 0 if nothing is labelled.
    pub fn loss(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        context: &mut Context<'_>,
    ) -> Result<f64> {
        Ok(self.one_batch(data, objective, false, context)?.0)
    }

    /// The loss of `data` taken as one batch, and its gradient in the layout's order.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.one_batch(data, objective, true, context)
    }

    fn one_batch(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        gradient: bool,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.check(data, true)?;
        let order = in_order(data);
        let job = OneBatch { order: &order, gradient };
        let (level, batch_size) = (context.level, data.len());
        let network = &mut self.clone();
        dispatch(level, WithEngine { network, data, objective, batch_size, context, job })?
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
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.check(data, true)?;
        let batch_size = schedule.batch_size;
        if batch_size == 0 {
            return Err(Error::Parameter {
                what: "batch_size",
                expected: "at least 1",
                got: "0".into(),
            });
        }
        let job = Epochs { order: in_order(data), schedule, optimizer, records };
        let level = context.level;
        dispatch(level, WithEngine { network: self, data, objective, batch_size, context, job })?
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
pub(crate) fn in_order<T>(data: &Sequences<'_, T>) -> Vec<u32> {
    (0..data.len() as u32).collect()
}

/// The loss of a batch from its parts; 0 if there is no label.
fn mean(sum: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { sum / divisor } else { 0.0 }
}

/// A job for an engine of whichever instruction set.
struct WithEngine<'a, 'p, T: Real, J> {
    network: &'a mut Network<T>,
    data: &'a Sequences<'a, T>,
    objective: Objective,
    batch_size: usize,
    context: &'a mut Context<'p>,
    job: J,
}

impl<T: Real, J: Job<T>> Task for WithEngine<'_, '_, T, J> {
    type Output = Result<J::Output>;

    fn run<S: Simd>(self, simd: S) -> Result<J::Output> {
        let sizes = (self.objective, self.batch_size);
        with_engine(simd, self.network, self.data, sizes, self.context, self.job)
    }
}

/// Loss and gradient of one batch.
struct OneBatch<'a> {
    order: &'a [u32],
    gradient: bool,
}

impl<T: Real> Job<T> for OneBatch<'_> {
    type Output = Result<(f64, Vec<T>)>;

    fn run(self, engine: &mut impl Engine<T>) -> Self::Output {
        let (sum, divisor) = engine.batch(self.order, &[], self.gradient)?;
        let gradient = if self.gradient { engine.gradient().to_vec() } else { Vec::new() };
        Ok((mean(sum, divisor), gradient))
    }
}

/// Some epochs of training.
struct Epochs<'a, T> {
    order: Vec<u32>,
    schedule: &'a Schedule,
    optimizer: &'a mut dyn Optimizer<T>,
    records: &'a mut Vec<EpochRecord>,
}

impl<T: Real> Job<T> for Epochs<'_, T> {
    type Output = Result<()>;

    fn run(mut self, engine: &mut impl Engine<T>) -> Result<()> {
        let schedule = self.schedule;
        let start = Instant::now();
        let mut lap = start;
        for epoch in schedule.first_epoch..schedule.first_epoch.saturating_add(schedule.epochs) {
            self.arrange(epoch);
            let loss = self.epoch(epoch, engine)?;
            let now = Instant::now();
            self.records.push(EpochRecord { loss, seconds: (now - lap).as_secs_f64() });
            lap = now;
            if schedule.time_budget.is_some_and(|budget| now - start >= budget) {
                break;
            }
        }
        Ok(())
    }
}

impl<T: Real> Epochs<'_, T> {
    /// Sets the order of `epoch`, which depends on the seed and the epoch's number alone.
    fn arrange(&mut self, epoch: usize) {
        if self.schedule.shuffle {
            self.order.iter_mut().zip(0..).for_each(|(item, s)| *item = s);
            Rng::new(self.schedule.seed, Purpose::Order, epoch as u64).shuffle(&mut self.order);
        }
    }

    /// One pass over the data; returns the mean loss.
    fn epoch(&mut self, epoch: usize, engine: &mut impl Engine<T>) -> Result<f64> {
        let (mut total, mut divisors) = (0.0, 0.0);
        let batch_size = self.schedule.batch_size;
        for (number, batch) in self.order.chunks(batch_size).enumerate() {
            let upcoming = self.order.get((number + 1) * batch_size..).unwrap_or(&[]);
            let diverged = || Err(Error::Diverged { epoch: epoch + 1, batch: number + 1 });
            let (sum, divisor) = engine.batch(batch, upcoming, true)?;
            if divisor == 0.0 {
                continue;
            }
            if !sum.is_finite() {
                // The last update led here.
                engine.undo();
                return diverged();
            }
            if !engine.update(self.optimizer) {
                return diverged();
            }
            total += sum;
            divisors += divisor;
        }
        Ok(mean(total, divisors))
    }
}
