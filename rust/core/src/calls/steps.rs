//! [`Steps`]: a stepper compiled for one instruction set.

use std::sync::Arc;

use crate::bptt::{BufferSpec, FusedStep, InputBuffers, Pass, fused_groups};
use crate::context::CancelCheck;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, WithSimd, numbers, numbers_mut};
use crate::loss::Loss;
use crate::packing::ByUnit;
use crate::weights::Network;

/// A stepper for one instruction set.
///
/// The caller has checked all sizes. A state has `state_len` numbers: layer by layer h, followed by c
/// in an LSTM.
pub(super) trait Steps<T>: Send + Sync {
    /// Reads the features `x (I,)` of the next step, and sets `outputs (L,)`.
    fn step(&mut self, x: &[T], outputs: &mut [T]);

    /// Sets the static features `(K,)` of the sequence.
    fn set_statics(&mut self, statics: &[T]);

    /// Starts another sequence: the state becomes 0.
    fn reset(&mut self);

    /// Writes the state after the last step.
    fn state(&self, state: &mut [T]);

    /// Continues from the given state.
    fn set_state(&mut self, state: &[T]);

    /// A copy with its own state and the same weights.
    fn copy(&self) -> Box<dyn Steps<T>>;
}

/// Builds a [`StepperOf`] for the chosen instruction set.
pub(super) struct MakeStepper<T: Real> {
    pub(super) network: Arc<Network<T>>,
    pub(super) loss: Loss,
}

impl<T: Real> WithSimd for MakeStepper<T> {
    type Output = Box<dyn Steps<T>>;

    fn run<S: Simd>(self, simd: S) -> Self::Output {
        Box::new(StepperOf::new(simd, self.network, self.loss))
    }
}

/// A stepper for one type and one instruction set; the weights are shared.
pub(super) struct StepperOf<T: Real, S: Simd> {
    simd: S,
    network: Arc<Network<T>>,
    loss: Loss,
    loaded: InputBuffers<T::Lanes<S>>,
    pass: Pass<ByUnit, T::Lanes<S>>,
}

impl<T: Real, S: Simd> StepperOf<T, S> {
    pub(super) fn new(simd: S, network: Arc<Network<T>>, loss: Loss) -> Self {
        let buffers = BufferSpec { carried: true, ..BufferSpec::predictions(1) };
        let loaded = InputBuffers::new::<ByUnit>(simd, network.layout(), buffers);
        let mut pass = Pass::new(simd, network.layout(), buffers);
        pass.trace.steps = 1;
        Self { simd, loss, loaded, pass, network }
    }
}

impl<T: Real, S: Simd> StepperOf<T, S> {
    /// Computes the next states and the outputs' pre-activations from the features.
    fn step_by_layers(&mut self, x: &[T]) {
        numbers_mut(&mut self.loaded.x)[..x.len()].copy_from_slice(x);
        let (network, mut go_on) = (self.network.view(None), || true);
        // One step is too short to be cancelled.
        let cancel = &mut CancelCheck::new(&mut go_on);
        let _ = self.pass.forward(network, &self.loaded.x, &[], cancel);
        for layer in &mut self.pass.trace.layers {
            let own = &mut layer.directions[0];
            std::mem::swap(&mut own.initial.h, &mut layer.states);
            if !own.cells.is_empty() {
                std::mem::swap(&mut own.initial.c, &mut own.cells);
            }
            own.carried = true;
        }
    }

    /// The same on the fused path.
    fn step_fused(&mut self, x: &[T]) {
        let trace = &mut self.pass.trace;
        let own = &mut trace.layers[0].directions[0];
        let carried = std::mem::replace(&mut own.carried, true);
        let (h, logits) = (&mut own.initial.h[..], &mut trace.logits[..]);
        FusedStep { network: self.network.view(None), x, h, carried, logits }.run(self.simd);
    }
}

impl<T: Real, S: Simd> Steps<T> for StepperOf<T, S> {
    fn step(&mut self, x: &[T], outputs: &mut [T]) {
        if fused_groups::<T::Lanes<S>>(self.network.config()).is_some() {
            self.step_fused(x);
        } else {
            self.step_by_layers(x);
        }
        self.pass.activate(self.network.view(None), self.loss);
        let logits = numbers(&self.pass.trace.logits);
        for (l, y) in outputs.iter_mut().enumerate() {
            *y = logits[l * T::LANES];
        }
    }

    fn set_statics(&mut self, statics: &[T]) {
        self.pass.trace.statics.set_one(statics);
    }

    fn reset(&mut self) {
        let zero = self.simd.zero::<T>();
        for layer in &mut self.pass.trace.layers {
            layer.directions[0].initial.h.fill(zero);
            layer.directions[0].initial.c.fill(zero);
        }
        self.pass.trace.set_carried(false);
    }

    fn state(&self, state: &mut [T]) {
        let config = self.network.config();
        let (hidden, row) = (config.shape.hidden, state.len() / config.layers);
        for (layer, row) in self.pass.trace.layers.iter().zip(state.chunks_exact_mut(row)) {
            let initial = &layer.directions[0].initial;
            for (values, own) in row.chunks_exact_mut(hidden).zip([&initial.h, &initial.c]) {
                values.copy_from_slice(&numbers(own)[..hidden]);
            }
        }
    }

    fn set_state(&mut self, state: &[T]) {
        let config = self.network.config();
        let (hidden, row) = (config.shape.hidden, state.len() / config.layers);
        for (layer, row) in self.pass.trace.layers.iter_mut().zip(state.chunks_exact(row)) {
            let initial = &mut layer.directions[0].initial;
            for (values, own) in row.chunks_exact(hidden).zip([&mut initial.h, &mut initial.c]) {
                numbers_mut(own)[..hidden].copy_from_slice(values);
            }
        }
        self.pass.trace.set_carried(true);
    }

    fn copy(&self) -> Box<dyn Steps<T>> {
        let mut copy = Self::new(self.simd, Arc::clone(&self.network), self.loss);
        let mut state = vec![T::ZERO; self.network.config().state_len()];
        self.state(&mut state);
        copy.set_state(&state);
        copy.pass.trace.statics.clone_from(&self.pass.trace.statics);
        copy.pass.trace.set_carried(self.pass.trace.layers[0].directions[0].carried);
        Box::new(copy)
    }
}
