//! Training and scoring: what a network can be asked for.

use crate::bptt::Masks;
use crate::context::{Context, check_memory};
use crate::data::Sequences;
use crate::engine::{Ability, Job, Request, with_engine};
use crate::epochs::{EpochRecord, Epochs, OneBatch, Schedule, in_order};
use crate::error::{Error, Result, check_shape};
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::{Optimizer, check_rate};
use crate::predict::{HiddenStates, Predict, Subject};
use crate::real::Real;
use crate::reduction::Reduction;
use crate::simd::{Simd, Task, dispatch};

/// What is minimised.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// Per label.
    pub loss: Loss,
    /// Over a batch.
    pub reduction: Reduction,
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
