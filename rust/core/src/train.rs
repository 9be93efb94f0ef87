//! Training and scoring: what a network can be asked for.

use std::time::{Duration, Instant};

use crate::bptt::Masks;
use crate::context::{Context, check_memory};
use crate::data::Sequences;
use crate::engine::{Ability, Engine, Job, Request, with_engine};
use crate::error::{Error, Result, check_shape};
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::{Clip, Optimizer, check_rate};
use crate::predict::{HiddenStates, Predict, Subject};
use crate::real::Real;
use crate::reduction::Reduction;
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
pub struct Schedule<'a> {
    /// Sequences per update.
    pub batch_size: usize,
    /// Whether each epoch has an order of its own; otherwise it is the data's.
    pub shuffle: bool,
    /// Of the orders, and of dropout.
    pub seed: u64,
    /// Epochs that the network has been trained for before; continues the sequence of orders.
    pub first_epoch: usize,
    /// Epochs to train for at most.
    pub epochs: usize,
    /// The learning rate of each of these epochs; the last one goes on.
    pub learning_rates: &'a [f64],
    /// Limits of the gradient.
    pub clip: Clip,
    /// Truncated backpropagation through time (Williams and Peng, 1990): sequences are cut into
    /// windows of so many steps. Each window is a batch of its own, with an update; states are
    /// carried from one to the next, derivatives are not.
    pub bptt_steps: Option<usize>,
    /// Ends the call after the epoch in which this much time has passed.
    pub time_budget: Option<Duration>,
}

impl Default for Schedule<'_> {
    /// One epoch in the data's order with a learning rate of 0.01.
    fn default() -> Self {
        Self {
            batch_size: 1,
            shuffle: false,
            seed: 0,
            first_epoch: 0,
            epochs: 1,
            learning_rates: &[0.01],
            clip: Clip::default(),
            bptt_steps: None,
            time_budget: None,
        }
    }
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
    /// Outputs of every row of `data`, `(N, L)` row-major; with a readout of whole sequences of
    /// every sequence, `(S, L)`. `loss` may imply the activation of the outputs.
    pub fn predict(
        &self,
        data: &Sequences<'_, T>,
        loss: Loss,
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.outputs(data, (loss, None), context)
    }

    /// The same, with numbers dropped.
    pub(crate) fn outputs(
        &self,
        data: &Sequences<'_, T>,
        (loss, masks): (Loss, Option<Masks>),
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.check_features(data)?;
        let subject = Subject { network: self, data, loss, masks };
        let len = subject.rows(0..data.len()) * self.config().shape.output;
        check_memory::<T>(len)?;
        let mut outputs = vec![T::ZERO; len];
        let level = context.level;
        dispatch(level, Predict { subject, outputs: &mut outputs, context })?;
        Ok(outputs)
    }

    /// States of the last layer at every row of `data`, `(N, D·H)` row-major: the directions side
    /// by side.
    pub fn hidden_states(
        &self,
        data: &Sequences<'_, T>,
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.check_features(data)?;
        let len = data.rows() * self.config().directions() * self.config().shape.hidden;
        check_memory::<T>(len)?;
        let mut states = vec![T::ZERO; len];
        let (level, loss, masks) = (context.level, Loss::Mse, None);
        let subject = Subject { network: self, data, loss, masks };
        dispatch(level, HiddenStates { subject, states: &mut states, context })?;
        Ok(states)
    }

    /// The loss of `data` taken as one batch; 0 if nothing is labelled. With a seed, numbers are
    /// dropped as it says.
    pub fn loss(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        dropout_seed: Option<u64>,
        context: &mut Context<'_>,
    ) -> Result<f64> {
        let request =
            Request { gradient: false, masks: dropout_seed.map(Masks::of_seed), window: None };
        Ok(self.one_batch(data, objective, request, context)?.0)
    }

    /// The loss of `data` taken as one batch, and its gradient in the layout's order.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        dropout_seed: Option<u64>,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        let masks = dropout_seed.map(Masks::of_seed);
        let request = Request { gradient: true, masks, window: None };
        self.one_batch(data, objective, request, context)
    }

    pub(crate) fn one_batch(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        request: Request,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.check(data, objective)?;
        let order = in_order(data);
        let job = OneBatch { order: &order, request };
        let level = context.level;
        let ability = Ability { objective, batch_size: data.len(), window: None };
        let network = &mut self.clone();
        dispatch(level, WithEngine { network, data, ability, context, job })?
    }

    /// Trains on `data`; `records` gets one entry per finished epoch, also when the call ends
    /// early with [`Error::Diverged`] or [`Error::Cancelled`]. All memory is allocated before the
    /// first epoch but for `records`, which the caller may have reserved.
    pub fn train(
        &mut self,
        data: &Sequences<'_, T>,
        objective: Objective,
        schedule: &Schedule<'_>,
        optimizer: &mut dyn Optimizer<T>,
        records: &mut Vec<EpochRecord>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.check(data, objective)?;
        self.check_schedule(schedule)?;
        // A window that holds every sequence is none.
        let window = schedule.bptt_steps.filter(|&steps| steps < data.longest());
        let ability = Ability { objective, batch_size: schedule.batch_size, window };
        let job = Epochs { data, window, order: in_order(data), schedule, optimizer, records };
        let level = context.level;
        dispatch(level, WithEngine { network: self, data, ability, context, job })?
    }

    pub(crate) fn check_schedule(&self, schedule: &Schedule<'_>) -> Result<()> {
        for (what, number) in [
            ("batch_size", schedule.batch_size),
            ("bptt_steps", schedule.bptt_steps.unwrap_or(1)),
            ("learning_rates", schedule.learning_rates.len()),
        ] {
            if number == 0 {
                return Err(Error::Parameter { what, expected: "at least 1", got: "0".into() });
            }
        }
        schedule.clip.check()?;
        for &rate in schedule.learning_rates {
            check_rate::<T>(rate)?;
        }
        if schedule.bptt_steps.is_some() && (self.config().bidirectional || self.config().pools()) {
            return Err(Error::Parameter {
                what: "bptt_steps",
                expected: "None for networks that need all steps (bidirectional, readout mean)",
                got: format!("{:?}", schedule.bptt_steps.unwrap_or(0)),
            });
        }
        Ok(())
    }

    /// That the features of `data` are of this network's size.
    fn check_features(&self, data: &Sequences<'_, T>) -> Result<()> {
        let (expected, got) = (self.config().shape.input, data.input_size());
        check_shape(got == expected, "features", expected, got)
    }

    /// That features and labels are.
    fn check(&self, data: &Sequences<'_, T>, objective: Objective) -> Result<()> {
        self.check_features(data)?;
        let expected = objective.loss.label_columns(self.config().shape.output);
        let got = data.label_columns();
        check_shape(got == expected, "labels", expected, got)?;
        check_shape(data.has_labels(), "labels", "one row per step", "none")
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
    ability: Ability,
    context: &'a mut Context<'p>,
    job: J,
}

impl<T: Real, J: Job<T>> Task for WithEngine<'_, '_, T, J> {
    type Output = Result<J::Output>;

    fn run<S: Simd>(self, simd: S) -> Result<J::Output> {
        with_engine(simd, self.network, self.data, self.ability, self.context, self.job)
    }
}

/// Loss and gradient of one batch.
struct OneBatch<'a> {
    order: &'a [u32],
    request: Request,
}

impl<T: Real> Job<T> for OneBatch<'_> {
    type Output = Result<(f64, Vec<T>)>;

    fn run(self, engine: &mut impl Engine<T>) -> Self::Output {
        let (sum, divisor) = engine.batch(self.order, &[], self.request)?;
        // Without labels there is no gradient; it is 0.
        let gradient = if self.request.gradient { engine.gradient().to_vec() } else { Vec::new() };
        Ok((mean(sum, divisor), gradient))
    }
}

/// Some epochs of training.
struct Epochs<'a, T> {
    data: &'a Sequences<'a, T>,
    window: Option<usize>,
    order: Vec<u32>,
    schedule: &'a Schedule<'a>,
    optimizer: &'a mut dyn Optimizer<T>,
    records: &'a mut Vec<EpochRecord>,
}

impl<T: Real> Job<T> for Epochs<'_, T> {
    type Output = Result<()>;

    fn run(mut self, engine: &mut impl Engine<T>) -> Result<()> {
        let schedule = self.schedule;
        let start = Instant::now();
        let mut lap = start;
        for number in 0..schedule.epochs {
            let epoch = schedule.first_epoch.saturating_add(number);
            arrange(&mut self.order, schedule, epoch);
            let loss = self.epoch(epoch, schedule.rate(number), engine)?;
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

impl Schedule<'_> {
    /// The learning rate of epoch `number` of the call.
    pub(crate) fn rate(&self, number: usize) -> f64 {
        self.learning_rates[number.min(self.learning_rates.len() - 1)]
    }
}

/// Sets the order of `epoch`, which depends on the seed and the epoch's number alone.
pub(crate) fn arrange(order: &mut [u32], schedule: &Schedule<'_>, epoch: usize) {
    if schedule.shuffle {
        order.iter_mut().zip(0..).for_each(|(item, s)| *item = s);
        Rng::new(schedule.seed, Purpose::Order, epoch as u64).shuffle(order);
    }
}

impl<T: Real> Epochs<'_, T> {
    /// One pass over the data; returns the mean loss.
    fn epoch(&mut self, epoch: usize, rate: f64, engine: &mut impl Engine<T>) -> Result<f64> {
        let (mut total, mut divisors) = (0.0, 0.0);
        let schedule = self.schedule;
        let masks = Some(Masks::of_epoch(schedule.seed, epoch));
        for (number, batch) in self.order.chunks(schedule.batch_size).enumerate() {
            let upcoming = self.order.get((number + 1) * schedule.batch_size..).unwrap_or(&[]);
            let diverged = || Err(Error::Diverged { epoch: epoch + 1, batch: number + 1 });
            for window in windows(self.data, batch, self.window) {
                let request = Request { gradient: true, masks, window };
                let (sum, divisor) = engine.batch(batch, upcoming, request)?;
                if divisor == 0.0 {
                    continue;
                }
                if !sum.is_finite() {
                    // The last update led here.
                    engine.undo();
                    self.optimizer.undo();
                    return diverged();
                }
                if !engine.update(self.optimizer, rate, &schedule.clip) {
                    return diverged();
                }
                total += sum;
                divisors += divisor;
            }
        }
        Ok(mean(total, divisors))
    }
}

/// The windows of a batch's steps, (from, how many); or the one that is all of them.
fn windows<T>(
    data: &Sequences<'_, T>,
    batch: &[u32],
    window: Option<usize>,
) -> impl Iterator<Item = Option<(usize, usize)>> {
    let count = window.map_or(1, |steps| {
        let longest = batch.iter().map(|&s| data.range(s as usize).len()).max().unwrap_or(0);
        longest.div_ceil(steps)
    });
    (0..count).map(move |number| window.map(|steps| (number * steps, steps)))
}
