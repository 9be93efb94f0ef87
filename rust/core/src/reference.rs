//! The oracle: the same network written as the textbook has it, one number at a time.
//!
//! Every fast kernel is compared with this in tests. It allocates freely, knows no padding and
//! keeps weights in the shape that users see.

use crate::data::Sequences;
use crate::layout::Tensor;
use crate::loss::{LabelCount, Loss, Reduction};
use crate::network::{Config, Network};
use crate::real::Real;

/// The weights of an Elman network, row-major, in the order of [`Tensor::ALL`].
pub struct Elman<T> {
    config: Config,
    weights: [Vec<T>; 5],
}

/// Per step of one sequence.
struct Trace<T> {
    hidden: Vec<Vec<T>>,
    outputs: Vec<Vec<T>>,
}

impl<T: Real> Elman<T> {
    /// The same weights as `network`.
    pub fn of(network: &Network<T>) -> Self {
        Self { config: network.config(), weights: Tensor::ALL.map(|t| network.tensor(t)) }
    }

    /// Outputs `(N, L)` and states `(N, H)` of every row.
    pub fn predict(&self, data: &Sequences<'_, T>) -> (Vec<T>, Vec<T>) {
        let (mut outputs, mut states) = (Vec::new(), Vec::new());
        for s in 0..data.len() {
            let trace = self.forward(data.features(s));
            outputs.extend(trace.outputs.concat());
            states.extend(trace.hidden.concat());
        }
        (outputs, states)
    }

    /// The loss of `batch` and its gradient, in the order of [`Tensor::ALL`].
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        loss: Loss,
        reduction: Reduction,
    ) -> (f64, [Vec<T>; 5]) {
        let divisor = LabelCount::of(data, batch).divisor(reduction, self.config.shape.output);
        let mut gradient = self.weights.clone().map(|w| vec![T::ZERO; w.len()]);
        let mut total = 0.0;
        for &s in batch {
            let (x, labels) = (data.features(s as usize), data.labels(s as usize));
            let trace = self.forward(x);
            total += self.backward(x, labels, &trace, loss, divisor, &mut gradient);
        }
        (if divisor > 0.0 { total / divisor } else { 0.0 }, gradient)
    }

    fn forward(&self, x: &[T]) -> Trace<T> {
        let [w_ih, w_hh, b, w_hy, b_y] = &self.weights;
        let shape = self.config.shape;
        let mut trace = Trace { hidden: Vec::new(), outputs: Vec::new() };
        let mut before = vec![T::ZERO; shape.hidden];
        for x in x.chunks(shape.input) {
            let mut h = vec![T::ZERO; shape.hidden];
            for j in 0..shape.hidden {
                let mut z = b[j];
                for k in 0..shape.input {
                    z += w_ih[j * shape.input + k] * x[k];
                }
                for k in 0..shape.hidden {
                    z += w_hh[j * shape.hidden + k] * before[k];
                }
                h[j] = self.config.activation.value(z);
            }
            let mut y = vec![T::ZERO; shape.output];
            for l in 0..shape.output {
                let mut z = b_y[l];
                for j in 0..shape.hidden {
                    z += w_hy[l * shape.hidden + j] * h[j];
                }
                y[l] = self.config.output_activation.value(z);
            }
            trace.outputs.push(y);
            trace.hidden.push(h.clone());
            before = h;
        }
        trace
    }

    fn backward(
        &self,
        x: &[T],
        labels: &[T],
        trace: &Trace<T>,
        loss: Loss,
        divisor: f64,
        [d_ih, d_hh, d_b, d_hy, d_y]: &mut [Vec<T>; 5],
    ) -> f64 {
        let [_, w_hh, _, w_hy, _] = &self.weights;
        let shape = self.config.shape;
        let mut total = 0.0;
        let mut dh_next = vec![T::ZERO; shape.hidden];
        for t in (0..trace.hidden.len()).rev() {
            let mut dh = dh_next;
            let h = &trace.hidden[t];
            for l in 0..shape.output {
                let (y, label) = (trace.outputs[t][l], labels[t * shape.output + l]);
                if label.is_nan() {
                    continue;
                }
                let (value, derivative) = loss.value_and_derivative(y, label);
                total += value.to_f64();
                let scale = T::from_f64(1.0 / divisor);
                let dy = scale * derivative * self.config.output_activation.derivative(y);
                d_y[l] += dy;
                for j in 0..shape.hidden {
                    d_hy[l * shape.hidden + j] += dy * h[j];
                    dh[j] += dy * w_hy[l * shape.hidden + j];
                }
            }
            dh_next = vec![T::ZERO; shape.hidden];
            for j in 0..shape.hidden {
                let dz = dh[j] * self.config.activation.derivative(h[j]);
                d_b[j] += dz;
                for k in 0..shape.input {
                    d_ih[j * shape.input + k] += dz * x[t * shape.input + k];
                }
                for k in 0..shape.hidden {
                    if t > 0 {
                        d_hh[j * shape.hidden + k] += dz * trace.hidden[t - 1][k];
                    }
                    dh_next[k] += dz * w_hh[j * shape.hidden + k];
                }
            }
        }
        total
    }
}
