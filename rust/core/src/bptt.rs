//! One sequence through time: forward, and backpropagation through all of its steps
//! (Werbos, 1990).
//!
//! Time runs in windows of [`WINDOW`] steps. Within a window the inputs of all steps are projected
//! at once, and so are the weight gradients; only the recurrence goes step by step.

use crate::data::Sequences;
use crate::error::Result;
use crate::kernel;
use crate::lanes::Lanes;
use crate::layout::{Layout, Tensor};
use crate::loss::Loss;
use crate::network::Network;
use crate::pulse::Pulse;
use crate::real::Real;

/// Steps between two looks at the [`Pulse`]; also what stays in the nearest cache.
const WINDOW: usize = 64;

/// Everything that forward and backward passes write to. Allocated once, for the longest sequence.
pub(crate) struct Workspace<T> {
    /// States `h_0 .. h_T`, rows of the layout's stride; `h_0 = 0`.
    states: Vec<T>,
    /// Outputs `y_1 .. y_T`, `(T, L)`.
    outputs: Vec<T>,
    /// dloss/d(pre-activation of the output), `(T, L)`.
    d_outputs: Vec<T>,
    /// dloss/d(pre-activation of the state), rows of the layout's stride.
    d_states: Vec<T>,
    /// `W_hh` row-major, for the way back.
    weight_hh_t: Vec<T>,
    /// dloss/dparameters in the layout's order.
    pub(crate) gradient: Vec<T>,
}

impl<T: Real> Workspace<T> {
    /// For predictions: states and outputs only.
    pub(crate) fn for_forward(network: &Network<T>, longest: usize) -> Self {
        let stride = network.layout().stride();
        Self {
            states: vec![T::ZERO; (longest + 1) * stride],
            outputs: vec![T::ZERO; longest * network.config().shape.output],
            d_outputs: Vec::new(),
            d_states: Vec::new(),
            weight_hh_t: Vec::new(),
            gradient: Vec::new(),
        }
    }

    /// For gradients.
    pub(crate) fn for_training(network: &Network<T>, longest: usize) -> Self {
        let layout = network.layout();
        let mut workspace = Self {
            d_outputs: vec![T::ZERO; longest * network.config().shape.output],
            d_states: vec![T::ZERO; (longest + 1) * layout.stride()],
            weight_hh_t: vec![T::ZERO; layout.range(Tensor::WeightHh).len()],
            gradient: vec![T::ZERO; layout.len()],
            ..Self::for_forward(network, longest)
        };
        workspace.refresh(network);
        workspace
    }

    /// Takes over changed weights; call after every update.
    pub(crate) fn refresh(&mut self, network: &Network<T>) {
        let (stride, hidden) = (network.layout().stride(), network.config().shape.hidden);
        let weight_hh = network.packed(Tensor::WeightHh);
        for k in 0..hidden {
            for j in 0..hidden {
                self.weight_hh_t[j * stride + k] = weight_hh[k * stride + j];
            }
        }
    }

    /// The outputs `(T, L)` of the sequence that [`Self::forward`] saw last.
    pub(crate) fn outputs(&self, steps: usize, outputs: usize) -> &[T] {
        &self.outputs[..steps * outputs]
    }

    /// The states `h_1 .. h_T` of that sequence, rows of the layout's stride.
    pub(crate) fn states(&self, layout: &Layout, steps: usize) -> &[T] {
        &self.states[layout.stride()..(steps + 1) * layout.stride()]
    }

    /// Computes states and outputs of one sequence, `x (T, I)`.
    pub(crate) fn forward(
        &mut self,
        network: &Network<T>,
        x: &[T],
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let shape = network.config().shape;
        let (inputs, outputs, stride) = (shape.input, shape.output, network.layout().stride());
        let mut done = 0;
        for x in x.chunks(WINDOW * inputs) {
            let steps = x.len() / inputs;
            let states = &mut self.states[done * stride..(done + steps + 1) * stride];
            forward_states(network, x, states);
            let y = &mut self.outputs[done * outputs..(done + steps) * outputs];
            forward_outputs(network, &states[stride..], y);
            done += steps;
            pulse.spend(steps * network.layout().len())?;
        }
        Ok(())
    }

    /// The loss of the sequence last seen by [`Self::forward`] against `labels (T, L)`: returns
    /// `Σ e`, and keeps the derivative of `scale · Σ e` for [`Self::backward`]. NaN is no label.
    pub(crate) fn loss(&mut self, network: &Network<T>, labels: &[T], loss: Loss, scale: T) -> f64 {
        let activation = network.config().output_activation;
        let mut total = 0.0;
        for (i, &label) in labels.iter().enumerate() {
            let y = self.outputs[i];
            let (value, derivative) = if label.is_nan() {
                Default::default()
            } else {
                loss.value_and_derivative(y, label)
            };
            total += value.to_f64();
            if let Some(d) = self.d_outputs.get_mut(i) {
                *d = scale * derivative * activation.derivative(y);
            }
        }
        total
    }

    /// Adds the gradient of the sequence last seen by [`Self::forward`] and [`Self::loss`].
    pub(crate) fn backward(
        &mut self,
        network: &Network<T>,
        x: &[T],
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let inputs = network.config().shape.input;
        let stride = network.layout().stride();
        let steps = x.len() / inputs;
        // dz_{T+1} = 0: nothing flows back into the last step.
        self.d_states[steps * stride..(steps + 1) * stride].fill(T::ZERO);
        let mut end = steps;
        while end > 0 {
            let start = (end - 1) / WINDOW * WINDOW;
            self.backward_states(network, start..end);
            self.backward_weights(network, x, start..end);
            pulse.spend(2 * (end - start) * network.layout().len())?;
            end = start;
        }
        Ok(())
    }

    /// dh_t = W_hyᵀ dy_t + W_hhᵀ dz_{t+1};  dz_t = dh_t ∘ activation'(h_t)
    fn backward_states(&mut self, network: &Network<T>, window: std::ops::Range<usize>) {
        let shape = network.config().shape;
        let stride = network.layout().stride();
        let head = network.packed(Tensor::HeadWeight);
        for t in window.rev() {
            let (own, next) = self.d_states[t * stride..(t + 2) * stride].split_at_mut(stride);
            own.fill(T::ZERO);
            kernel::add_product(own, &self.d_outputs[t * shape.output..][..shape.output], head);
            kernel::add_product(own, &next[..shape.hidden], &self.weight_hh_t);
            let state = &self.states[(t + 1) * stride..(t + 2) * stride];
            for group in (0..stride).step_by(T::Lanes::COUNT) {
                let h = T::Lanes::load(&state[group..]);
                let slope = network.config().activation.derivative_lanes::<T, _>(h);
                (T::Lanes::load(&own[group..]) * slope).store(&mut own[group..]);
            }
        }
    }

    /// dW_ih = Σ dz_t x_tᵀ, dW_hh = Σ dz_t h_{t−1}ᵀ, db = Σ dz_t, dW_hy = Σ dy_t h_tᵀ, db_y = Σ dy_t
    fn backward_weights(&mut self, network: &Network<T>, x: &[T], window: std::ops::Range<usize>) {
        let (shape, layout) = (network.config().shape, network.layout());
        let (stride, steps) = (layout.stride(), window.len());
        let dz = &self.d_states[window.start * stride..window.end * stride];
        let dy = &self.d_outputs[window.start * shape.output..window.end * shape.output];
        let before = &self.states[window.start * stride..];
        let after = &self.states[(window.start + 1) * stride..(window.end + 1) * stride];
        let x = &x[window.start * shape.input..];
        let gradient = &mut self.gradient;

        kernel::add_gradient(
            &mut gradient[layout.range(Tensor::WeightIh)],
            (x, shape.input),
            (dz, stride),
        );
        kernel::add_gradient(
            &mut gradient[layout.range(Tensor::WeightHh)],
            (before, stride),
            (dz, stride),
        );
        kernel::add_gradient(
            &mut gradient[layout.range(Tensor::HeadWeight)],
            (dy, shape.output),
            (after, stride),
        );
        let bias = &mut gradient[layout.range(Tensor::Bias)];
        for dz in dz.chunks_exact(stride) {
            bias.iter_mut().zip(dz).for_each(|(b, &d)| *b += d);
        }
        let head_bias = &mut gradient[layout.range(Tensor::HeadBias)];
        for dy in dy.chunks_exact(shape.output).take(steps) {
            head_bias.iter_mut().zip(dy).for_each(|(b, &d)| *b += d);
        }
    }
}

/// h_t = activation(W_ih x_t + b + W_hh h_{t−1}) for the steps of one window; `states` starts with
/// the state before the window.
fn forward_states<T: Real>(network: &Network<T>, x: &[T], states: &mut [T]) {
    let config = network.config();
    let stride = network.layout().stride();
    let weight_hh = network.packed(Tensor::WeightHh);
    kernel::affine(
        &mut states[stride..],
        x,
        network.packed(Tensor::WeightIh),
        network.packed(Tensor::Bias),
    );
    for t in 0..states.len() / stride - 1 {
        let (before, own) = states[t * stride..(t + 2) * stride].split_at_mut(stride);
        kernel::add_product(own, &before[..config.shape.hidden], weight_hh);
        for group in (0..stride).step_by(T::Lanes::COUNT) {
            let z = T::Lanes::load(&own[group..]);
            config.activation.value_lanes::<T, _>(z).store(&mut own[group..]);
        }
    }
}

/// y_t = output_activation(W_hy h_t + b_y)
fn forward_outputs<T: Real>(network: &Network<T>, states: &[T], outputs: &mut [T]) {
    let config = network.config();
    let stride = network.layout().stride();
    let head = network.packed(Tensor::HeadWeight);
    let bias = network.packed(Tensor::HeadBias);
    let steps = states.chunks_exact(stride).zip(outputs.chunks_exact_mut(config.shape.output));
    for (state, outputs) in steps {
        for ((y, weights), &bias) in outputs.iter_mut().zip(head.chunks_exact(stride)).zip(bias) {
            *y = config.output_activation.value(kernel::dot(weights, state) + bias);
        }
    }
}

/// Predicts every sequence of `data`: outputs `(N, L)` go to `outputs`, states `(N, H)` to
/// `states`, where each is asked for.
pub(crate) fn predict<T: Real>(
    network: &Network<T>,
    data: &Sequences<'_, T>,
    mut outputs: Option<&mut [T]>,
    mut states: Option<&mut [T]>,
    pulse: &mut Pulse<'_>,
) -> Result<()> {
    let shape = network.config().shape;
    let mut workspace = Workspace::for_forward(network, data.longest());
    for s in 0..data.len() {
        workspace.forward(network, data.features(s), pulse)?;
        let rows = data.range(s);
        if let Some(all) = outputs.as_deref_mut() {
            all[rows.start * shape.output..rows.end * shape.output]
                .copy_from_slice(workspace.outputs(rows.len(), shape.output));
        }
        if let Some(all) = states.as_deref_mut() {
            let own = &mut all[rows.start * shape.hidden..rows.end * shape.hidden];
            let padded = workspace.states(network.layout(), rows.len());
            let stride = network.layout().stride();
            for (own, padded) in own.chunks_exact_mut(shape.hidden).zip(padded.chunks_exact(stride))
            {
                own.copy_from_slice(&padded[..shape.hidden]);
            }
        }
    }
    Ok(())
}
