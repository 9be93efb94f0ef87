//! Training and scoring: batches, epochs, shuffling, and what to do when the loss runs away.

use std::time::{Duration, Instant};

use crate::batch::{Job, Workspace};
use crate::data::Sequences;
use crate::error::{Error, Result, check_shape};
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::pulse::Pulse;
use crate::real::Real;
use crate::rng::{Purpose, Rng};
use crate::simd::{Simd, Task, dispatch, level};
use crate::tiles::plan::Plan;
use crate::tiles::{self, Tile, gather, scatter};
use crate::units::Trace;

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
    /// The mean over all batches of the loss before the update.
    pub loss: f64,
    /// Wall time.
    pub seconds: f64,
}

impl<T: Real> Network<T> {
    /// Outputs `(N, L)`, row-major, of every row of `data`.
    pub fn predict(&self, data: &Sequences<'_, T>, pulse: &mut Pulse<'_>) -> Result<Vec<T>> {
        self.check(data, false)?;
        let mut outputs = vec![T::ZERO; data.rows() * self.config().shape.output];
        dispatch(found()?, Predict { network: self, data, outputs: &mut outputs, pulse })?;
        Ok(outputs)
    }

    /// States `h_t (N, H)`, row-major, of every row of `data`.
    pub fn hidden_states(&self, data: &Sequences<'_, T>, pulse: &mut Pulse<'_>) -> Result<Vec<T>> {
        self.check(data, false)?;
        let mut states = vec![T::ZERO; data.rows() * self.config().shape.hidden];
        dispatch(found()?, HiddenStates { network: self, data, states: &mut states, pulse })?;
        Ok(states)
    }

    /// The loss of `data` taken as one batch; 0 if nothing is labelled.
    pub fn loss(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        Ok(self.gradient(data, objective, pulse)?.0)
    }

    /// The loss of `data` taken as one batch, and its gradient in the layout's order.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        pulse: &mut Pulse<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.check(data, true)?;
        dispatch(found()?, Gradient { network: self, data, objective, pulse })
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
        let task = Train { network: self, data, objective, schedule, optimizer, records, pulse };
        dispatch(found()?, task)
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

fn found() -> Result<crate::simd::Level> {
    level().map_err(|error| Error::Parameter { what: "RNN_RUST_SIMD", expected: "a level of this machine", got: error.to_string() })
}

struct Gradient<'a, 'p, T: Real> {
    network: &'a Network<T>,
    data: &'a Sequences<'a, T>,
    objective: Objective,
    pulse: &'a mut Pulse<'p>,
}

impl<T: Real> Task for Gradient<'_, '_, T> {
    type Output = Result<(f64, Vec<T>)>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { network, data, objective, pulse } = self;
        let mut workspace = Workspace::new(simd, network, data.longest(), data.len());
        let (loss, _) = workspace.gradient(network, data, &in_order(data), objective, pulse)?;
        Ok((loss, workspace.gradient.to_vec()))
    }
}

struct Predict<'a, 'p, T: Real> {
    network: &'a Network<T>,
    data: &'a Sequences<'a, T>,
    outputs: &'a mut [T],
    pulse: &'a mut Pulse<'p>,
}

impl<T: Real> Task for Predict<'_, '_, T> {
    type Output = Result<()>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { network, data, outputs, pulse } = self;
        let shape = network.config().shape;
        if data.len() < T::LANES / 4 {
            let mut trace = Trace::new(network.layout(), data.longest(), false);
            for sequence in 0..data.len() {
                let rows = data.range(sequence);
                Job { simd, network, data, sequence }.forward(&mut trace, pulse)?;
                outputs[rows.start * shape.output..rows.end * shape.output]
                    .copy_from_slice(&trace.outputs[..rows.len() * shape.output]);
            }
            return Ok(());
        }
        let order = in_order(data);
        let group = 16 * T::LANES;
        let mut plan = Plan::with_capacity(T::LANES, group);
        let mut tile = Tile::new(simd, shape, Plan::most_steps(data.longest()), false);
        for batch in order.chunks(group) {
            plan.set(batch, |s| data.range(s as usize).len());
            for number in 0..plan.len() {
                let lanes = plan.tile(number);
                tile.set_starts(lanes);
                let source = |s: u32| data.features(s as usize);
                gather(simd, lanes, shape.input, source, T::ZERO, &mut tile.x);
                simd.vectorize(tiles::Forward { weights: network.weights(), tile: &mut tile });
                scatter(simd, lanes, shape.output, &tile.outputs, |s, at, piece| {
                    let start = data.range(s as usize).start * shape.output + at;
                    outputs[start..start + piece.len()].copy_from_slice(piece);
                });
                pulse.spend(tile.steps * T::LANES * network.layout().len())?;
            }
        }
        Ok(())
    }
}

struct HiddenStates<'a, 'p, T: Real> {
    network: &'a Network<T>,
    data: &'a Sequences<'a, T>,
    states: &'a mut [T],
    pulse: &'a mut Pulse<'p>,
}

impl<T: Real> Task for HiddenStates<'_, '_, T> {
    type Output = Result<()>;
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { network, data, states, pulse } = self;
        let (hidden, stride) = (network.config().shape.hidden, network.layout().stride());
        let mut trace = Trace::new(network.layout(), data.longest(), false);
        for sequence in 0..data.len() {
            let rows = data.range(sequence);
            Job { simd, network, data, sequence }.forward(&mut trace, pulse)?;
            let own = &mut states[rows.start * hidden..rows.end * hidden];
            for (own, padded) in
                own.chunks_exact_mut(hidden).zip(trace.states[stride..].chunks_exact(stride))
            {
                own.copy_from_slice(&padded[..hidden]);
            }
        }
        Ok(())
    }
}

/// The sequences in the data's order.
fn in_order<T>(data: &Sequences<'_, T>) -> Vec<u32> {
    (0..data.len() as u32).collect()
}

struct Train<'a, 'p, T: Real> {
    network: &'a mut Network<T>,
    data: &'a Sequences<'a, T>,
    objective: Objective,
    schedule: &'a Schedule,
    optimizer: &'a mut dyn Optimizer<T>,
    records: &'a mut Vec<EpochRecord>,
    pulse: &'a mut Pulse<'p>,
}

impl<T: Real> Task for Train<'_, '_, T> {
    type Output = Result<()>;
    fn run<S: Simd>(mut self, simd: S) -> Self::Output {
        let schedule = self.schedule;
        let mut workspace =
            Workspace::new(simd, self.network, self.data.longest(), schedule.batch_size.min(self.data.len()));
        let mut backup = self.network.parameters().to_vec();
        let mut order = in_order(self.data);
        let start = Instant::now();
        let mut lap = start;
        for epoch in schedule.first_epoch..schedule.first_epoch + schedule.epochs {
            if schedule.shuffle {
                order.iter_mut().zip(0..).for_each(|(item, s)| *item = s);
                Rng::new(schedule.seed, Purpose::Order, epoch as u64).shuffle(&mut order);
            }
            let loss = self.epoch(epoch, &order, &mut workspace, &mut backup)?;
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

impl<T: Real> Train<'_, '_, T> {
    /// One pass over the data; returns the mean loss.
    fn epoch<S: Simd>(
        &mut self,
        epoch: usize,
        order: &[u32],
        workspace: &mut Workspace<T, S>,
        backup: &mut [T],
    ) -> Result<f64> {
        let reduction = self.objective.reduction;
        let (mut total, mut weight) = (0.0, 0.0);
        for (number, batch) in order.chunks(self.schedule.batch_size).enumerate() {
            let diverged = Error::Diverged { epoch: epoch + 1, batch: number + 1 };
            let (loss, count) =
                workspace.gradient(self.network, self.data, batch, self.objective, self.pulse)?;
            if count.labels == 0 {
                continue;
            }
            if !loss.is_finite() {
                return Err(diverged);
            }
            backup.copy_from_slice(self.network.parameters());
            self.optimizer.step(self.network.parameters_mut(), &workspace.gradient);
            if !self.network.parameters().iter().all(|w| w.is_finite()) {
                self.network.parameters_mut().copy_from_slice(backup);
                return Err(diverged);
            }
            workspace.refresh(self.network);
            total += loss * count.weight(reduction);
            weight += count.weight(reduction);
        }
        Ok(if weight > 0.0 { total / weight } else { 0.0 })
    }
}
