//! Outputs and hidden states of a data set.

use super::compiled::Compiled;
use super::hidden_states::HiddenStates;
use super::inference::{Inference, Predict};
use crate::bptt::DropoutMasks;
use crate::context::Context;
use crate::data::Sequences;
use crate::error::{Result, check_shape};
use crate::lanes::simd::Level;
use crate::loss::Loss;
use crate::memory::check_memory;
use crate::weights::Network;

impl<T: Compiled> Network<T> {
    /// Outputs for every row of `data`, `(N, L)` row-major; for every sequence, `(S, L)`, if the
    /// readout is per sequence. `loss` may imply the output activation.
    pub fn predict(
        &self,
        data: &Sequences<'_, T>,
        loss: Loss,
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.outputs(data, (loss, None), context)
    }

    /// [`Self::predict`], and the state after each sequence's last row, `(S, state_len)`: see
    /// [`Config::state_len`](crate::Config::state_len).
    pub fn predict_with_states(
        &self,
        data: &Sequences<'_, T>,
        loss: Loss,
        context: &mut Context<'_>,
    ) -> Result<(Vec<T>, Vec<T>)> {
        self.outputs_and_states(data, (loss, None), self.config().state_len(), context)
    }

    /// [`Self::predict`] with dropout.
    pub(super) fn outputs(
        &self,
        data: &Sequences<'_, T>,
        (loss, masks): (Loss, Option<DropoutMasks>),
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        Ok(self.outputs_and_states(data, (loss, masks), 0, context)?.0)
    }

    /// Outputs and final states of `state_len` numbers each; no states if this is 0.
    fn outputs_and_states(
        &self,
        data: &Sequences<'_, T>,
        (loss, masks): (Loss, Option<DropoutMasks>),
        state_len: usize,
        context: &mut Context<'_>,
    ) -> Result<(Vec<T>, Vec<T>)> {
        self.check_features(data, context.level)?;
        let carries = data.has_initial_states() || state_len > 0;
        let inference = Inference { network: self, data, loss, masks, panels: None, carries };
        let of_outputs = inference.rows(0..data.len()).saturating_mul(self.config().shape.output);
        let of_states = data.len().saturating_mul(state_len);
        check_memory::<T>(of_outputs.saturating_add(of_states))?;
        let (mut outputs, mut states) = (vec![T::ZERO; of_outputs], vec![T::ZERO; of_states]);
        let (level, rows) = (context.level, (&mut outputs[..], &mut states[..]));
        T::predict(level, Predict { inference, outputs: rows.0, states: rows.1, context })?;
        Ok((outputs, states))
    }

    /// States of the last layer at every row of `data`, `(N, D·H)` row-major: the two directions are
    /// concatenated.
    pub fn hidden_states(
        &self,
        data: &Sequences<'_, T>,
        context: &mut Context<'_>,
    ) -> Result<Vec<T>> {
        self.check_features(data, context.level)?;
        let width = self.config().directions() * self.config().shape.hidden;
        let len = data.rows().saturating_mul(width);
        check_memory::<T>(len)?;
        let mut states = vec![T::ZERO; len];
        let (level, loss, masks) = (context.level, Loss::Mse, None);
        let carries = data.has_initial_states();
        let inference = Inference { network: self, data, loss, masks, panels: None, carries };
        T::hidden_states(level, HiddenStates { inference, states: &mut states, context })?;
        Ok(states)
    }

    /// [`Error::Shape`](crate::Error::Shape) if the features of `data` do not fit the network.
    pub(super) fn check_features(&self, data: &Sequences<'_, T>, level: Level) -> Result<()> {
        let (expected, got) = (self.config().features(), data.input_size());
        check_shape(got == expected, "features", expected, got)?;
        let (expected, got) = (self.config().statics.len(), data.static_size());
        check_shape(got == expected, "static features", expected, got)?;
        if data.has_initial_states() {
            let (expected, got) = (self.config().state_len(), data.state_len());
            check_shape(got == expected, "initial states", expected, got)?;
        }
        data.check_categories(self.config(), level)
    }
}
