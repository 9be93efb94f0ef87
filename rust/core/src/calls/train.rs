//! Loss, gradient and training of a network.

use super::compiled::Compiled;
use super::epochs::{EpochRecord, EpochRun, in_order};
use super::on_engine::{Epochs, OnEngine, OneBatch};
use crate::bptt::{DropoutMasks, Target};
use crate::context::Context;
use crate::data::Sequences;
use crate::engine::{BatchRequest, EngineSpec};
use crate::error::{Error, Result, check_shape};
use crate::lanes::simd::Level;
use crate::loss::Loss;
use crate::objective::{Objective, Reduction};
use crate::optim::{Optimizer, check_rate};
use crate::weights::Network;

impl<T: Compiled> Network<T> {
    /// The loss of `data` as one batch; 0 without labels. With a `dropout_seed`, dropout is active.
    pub fn loss(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        dropout_seed: Option<u64>,
        context: &mut Context<'_>,
    ) -> Result<f64> {
        let masks = dropout_seed.map(DropoutMasks::of_seed);
        Ok(self.one_batch(data, objective, (false, masks), context)?.0)
    }

    /// The loss of `data` as one batch, and its gradient in the layout's order.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        dropout_seed: Option<u64>,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        let masks = dropout_seed.map(DropoutMasks::of_seed);
        self.one_batch(data, objective, (true, masks), context)
    }

    fn one_batch(
        &self,
        data: &Sequences<'_, T>,
        objective: Objective,
        (gradient, masks): (bool, Option<DropoutMasks>),
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        self.check(data, objective, context.level)?;
        let Objective { loss, reduction } = objective;
        let request = BatchRequest { gradient, masks, window: None };
        self.whole_batch(data, (Target::Loss(loss), reduction), request, context)
    }

    /// Loss and gradient of all of `data`; the gradient is empty unless requested.
    pub(super) fn whole_batch(
        &self,
        data: &Sequences<'_, T>,
        (target, reduction): (Target, Reduction),
        request: BatchRequest,
        context: &mut Context<'_>,
    ) -> Result<(f64, Vec<T>)> {
        let spec =
            EngineSpec { target, reduction, batch_size: data.len(), window: None, repeats: 1 };
        let work = OneBatch { order: &in_order(data), request };
        let (level, network) = (context.level, &mut self.clone());
        T::one_batch(level, OnEngine { network, data, spec, context, work })?
    }

    /// Trains on `data`; `records` gets one entry per finished epoch, even if the call ends early with
    /// [`Error::Diverged`] or [`Error::Cancelled`]. All memory is allocated before the first epoch,
    /// except for `records`, which the caller may have reserved.
    pub fn train(
        &mut self,
        data: &Sequences<'_, T>,
        objective: Objective,
        run: &EpochRun<'_>,
        optimizer: &mut dyn Optimizer<T>,
        records: &mut Vec<EpochRecord>,
        context: &mut Context<'_>,
    ) -> Result<()> {
        self.check(data, objective, context.level)?;
        self.check_run(run)?;
        // A window as long as the longest sequence cuts nothing.
        let window = run.bptt_steps.filter(|&steps| steps < data.longest());
        let Objective { loss, reduction } = objective;
        let (target, batch_size) = (Target::Loss(loss), run.batch_size);
        // With a time budget, the number of epochs is unknown.
        let alike = !run.shuffle && run.time_budget.is_none();
        let repeats = if alike { run.epochs } else { 1 };
        let spec = EngineSpec { target, reduction, batch_size, window, repeats };
        let work = Epochs { data, window, run, optimizer, records };
        let level = context.level;
        T::epochs(level, OnEngine { network: self, data, spec, context, work })?
    }

    pub(super) fn check_run(&self, run: &EpochRun<'_>) -> Result<()> {
        for (what, number) in [
            ("batch_size", run.batch_size),
            ("bptt_steps", run.bptt_steps.unwrap_or(1)),
            ("learning_rates", run.learning_rates.len()),
        ] {
            if number == 0 {
                return Err(Error::Parameter { what, expected: "at least 1", got: "0".into() });
            }
        }
        run.clip.check()?;
        for &rate in run.learning_rates {
            check_rate::<T>(rate)?;
        }
        if let Some(steps) = run.bptt_steps
            && (self.config().bidirectional || self.config().pools())
        {
            return Err(Error::Parameter {
                what: "bptt_steps",
                expected: "None for networks that need all steps (bidirectional, readout mean)",
                got: steps.to_string(),
            });
        }
        Ok(())
    }

    /// Checks that features and labels fit the network and the loss.
    fn check(&self, data: &Sequences<'_, T>, objective: Objective, level: Level) -> Result<()> {
        self.check_features(data, level)?;
        let expected = objective.loss.label_columns(self.config().shape.output);
        let got = data.label_columns();
        check_shape(got == expected, "labels", expected, got)?;
        check_shape(data.has_labels(), "labels", "one row per step", "none")?;
        if objective.loss == Loss::CrossEntropy {
            data.check_classes(self.config().shape.output)?;
        }
        Ok(())
    }
}
