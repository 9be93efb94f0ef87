//! `Stepper`: one step at a time, for events as they arrive.

use crate::bptt::{BufferSpec, FusedStep, Pass, fused_groups};
use crate::config::Readout;
use crate::context::CancelCheck;
use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::lanes::simd::{Level, Simd, WithSimd, dispatch, numbers, numbers_mut};
use crate::loss::Loss;
use crate::packing::ByUnit;
use crate::weights::Network;

/// A network with the state of one sequence.
///
/// It has a copy of the weights; its outputs are the bits of a prediction of the whole sequence.
pub struct Stepper<T: Real> {
    inner: Box<dyn Steps<T>>,
    outputs: Vec<T>,
    input_size: usize,
    /// Layers, and the numbers of a layer's state.
    state: (usize, usize),
}

impl<T: Real> Stepper<T> {
    /// At the beginning of a sequence. [`Error::Parameter`] if the network cannot answer before the
    /// sequence has ended: if it is bidirectional or reads out a mean.
    pub fn new(network: &Network<T>, loss: Loss, level: Level) -> Result<Self> {
        let config = network.config();
        let refused =
            |what, expected, got: &str| Err(Error::Parameter { what, expected, got: got.into() });
        if config.bidirectional {
            let expected = "False for a stepper, which knows no later steps";
            return refused("bidirectional", expected, "True");
        }
        if config.readout == Readout::Mean {
            let expected = "each_step or last for a stepper, which keeps no sum of states";
            return refused("readout", expected, "mean");
        }
        let parts = 1 + usize::from(config.cell.has_cell_state());
        Ok(Self {
            inner: dispatch(level, Make { network, loss }),
            outputs: vec![T::ZERO; config.shape.output],
            input_size: config.shape.input,
            state: (config.layers, parts * config.shape.hidden),
        })
    }

    /// The outputs `(L,)` after one more step with features `x (I,)`. Allocates nothing.
    pub fn step(&mut self, x: &[T]) -> Result<&[T]> {
        check_shape(x.len() == self.input_size, "features", self.input_size, x.len())?;
        self.inner.step(x, &mut self.outputs);
        Ok(&self.outputs)
    }

    /// The number of features, I.
    pub fn inputs(&self) -> usize {
        self.input_size
    }

    /// The number of outputs, L.
    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Begins another sequence: the state becomes 0.
    pub fn reset(&mut self) {
        self.inner.reset();
    }

    /// The layers, and the numbers of each one's state: h, followed by c in an LSTM.
    pub fn state_shape(&self) -> (usize, usize) {
        self.state
    }

    /// The state after the last step, layer by layer.
    pub fn state(&self) -> Vec<T> {
        let mut state = vec![T::ZERO; self.state.0 * self.state.1];
        self.inner.state(&mut state);
        state
    }

    /// Continues from another state.
    pub fn set_state(&mut self, state: &[T]) -> Result<()> {
        let (layers, row) = self.state;
        check_shape(state.len() == layers * row, "state", layers * row, state.len())?;
        self.inner.set_state(state);
        Ok(())
    }
}

impl<T: Real> Clone for Stepper<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.copy(), outputs: self.outputs.clone(), ..*self }
    }
}

/// A stepper for one instruction set.
trait Steps<T>: Send + Sync {
    fn step(&mut self, x: &[T], outputs: &mut [T]);
    fn reset(&mut self);
    fn state(&self, state: &mut [T]);
    fn set_state(&mut self, state: &[T]);
    fn copy(&self) -> Box<dyn Steps<T>>;
}

/// Makes one.
struct Make<'a, T: Real> {
    network: &'a Network<T>,
    loss: Loss,
}

impl<T: Real> WithSimd for Make<'_, T> {
    type Output = Box<dyn Steps<T>>;

    fn run<S: Simd>(self, simd: S) -> Self::Output {
        Box::new(StepperOf::new(simd, self.network.clone(), self.loss))
    }
}

struct StepperOf<T: Real, S: Simd> {
    simd: S,
    network: Network<T>,
    loss: Loss,
    pass: Pass<ByUnit, T::Lanes<S>>,
}

impl<T: Real, S: Simd> StepperOf<T, S> {
    fn new(simd: S, network: Network<T>, loss: Loss) -> Self {
        let buffers = BufferSpec { carried: true, ..BufferSpec::predictions(1) };
        let mut pass = Pass::new(simd, network.layout(), buffers);
        pass.trace.steps = 1;
        Self { simd, loss, pass, network }
    }
}

impl<T: Real, S: Simd> StepperOf<T, S> {
    /// From features to the next states and to the outputs' pre-activations.
    fn step_by_layers(&mut self, x: &[T]) {
        numbers_mut(&mut self.pass.trace.x)[..x.len()].copy_from_slice(x);
        let mut go_on = || true;
        // One step is too short to be cancelled.
        let _ = self.pass.forward(self.network.view(None), &[], &mut CancelCheck::new(&mut go_on));
        for layer in &mut self.pass.trace.layers {
            let own = &mut layer.directions[0];
            std::mem::swap(&mut own.initial.h, &mut layer.states);
            if !own.cells.is_empty() {
                std::mem::swap(&mut own.initial.c, &mut own.cells);
            }
            own.carried = true;
        }
    }

    /// The same by the fused path.
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
        let mut copy = Self::new(self.simd, self.network.clone(), self.loss);
        let config = self.network.config();
        let parts = 1 + usize::from(config.cell.has_cell_state());
        let mut state = vec![T::ZERO; config.layers * parts * config.shape.hidden];
        self.state(&mut state);
        copy.set_state(&state);
        copy.pass.trace.set_carried(self.pass.trace.layers[0].directions[0].carried);
        Box::new(copy)
    }
}
