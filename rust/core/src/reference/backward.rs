//! The backward pass of the reference implementation.

use super::{Direction, Reference, Rows, Trace};
use crate::activation::Activation;
use crate::cell::Cell;
use crate::config::Readout;
use crate::lanes::Real;

/// `d_matrix[row] += dz x`, `dx += dz matrix[row]`
fn dot_backward<T: Real>(
    (matrix, d_matrix): (&[T], &mut [T]),
    row: usize,
    dz: T,
    x: &[T],
    dx: &mut [T],
) {
    for k in 0..x.len() {
        d_matrix[row * x.len() + k] += dz * x[k];
        dx[k] += dz * matrix[row * x.len() + k];
    }
}

impl<T: Real> Reference<T> {
    pub(super) fn backward(&self, trace: &Trace<T>, d_logits: &Rows<T>, gradient: &mut [Vec<T>]) {
        let (config, head) = (&self.config, self.layout.head());
        let mut d_read: Rows<T> = trace.read.iter().map(|row| vec![T::ZERO; row.len()]).collect();
        for (t, d_logits) in d_logits.iter().enumerate() {
            for (l, &dy) in d_logits.iter().enumerate() {
                let matrix = (&self.tensors[head][..], &mut gradient[head][..]);
                dot_backward(matrix, l, dy, &trace.read[t], &mut d_read[t]);
                gradient[head + 1][l] += dy;
            }
        }
        let mut d_states = self.read_backward(&d_read);
        for layer in (0..config.layers).rev() {
            let (x, directions) = &trace.layers[layer];
            let mut dx: Rows<T> = x.iter().map(|row| vec![T::ZERO; row.len()]).collect();
            for (d, own) in directions.iter().enumerate() {
                let tensors = self.layout.direction(layer, d);
                let w = (&self.tensors[tensors.clone()], &mut gradient[tensors]);
                self.direction_backward(w, (d, own), (x, &mut dx), &d_states);
            }
            for (dx, factors) in dx.iter_mut().zip(&trace.masks[layer]) {
                dx.iter_mut().zip(factors).for_each(|(d, &factor)| *d = *d * factor);
            }
            d_states = dx;
        }
    }

    fn read_backward(&self, d_read: &Rows<T>) -> Rows<T> {
        let hidden = self.config.shape.hidden;
        let mut d_states = d_read.clone();
        match self.config.readout {
            Readout::EachStep => {}
            Readout::Last => {
                for (t, d) in d_read.iter().enumerate() {
                    for u in hidden..d.len() {
                        if t > 0 {
                            d_states[0][u] += d[u];
                            d_states[t][u] = T::ZERO;
                        }
                    }
                }
            }
            Readout::Mean => {
                for (t, d) in d_states.iter_mut().enumerate() {
                    for u in 0..d.len() {
                        d[u] = T::ZERO;
                        for (later, d_later) in d_read.iter().enumerate().skip(t) {
                            d[u] += d_later[u] / T::from_f64((later + 1) as f64);
                        }
                    }
                }
            }
        }
        d_states
    }

    fn direction_backward(
        &self,
        (w, gradient): (&[Vec<T>], &mut [Vec<T>]),
        (direction, own): (usize, &Direction<T>),
        (x, dx): (&Rows<T>, &mut Rows<T>),
        d_states: &Rows<T>,
    ) {
        let (hidden, steps) = (self.config.shape.hidden, x.len());
        let (mut dh, mut dc) = (vec![T::ZERO; hidden], vec![T::ZERO; hidden]);
        for i in (0..steps).rev() {
            let t = if direction == 0 { i } else { steps - 1 - i };
            for j in 0..hidden {
                dh[j] += d_states[t][direction * hidden + j];
            }
            let dz = self.gates_backward((w, gradient), own, t, (&mut dh, &mut dc));
            for (gate, dz) in dz.gates.iter().enumerate() {
                for (j, &dz) in dz.iter().enumerate() {
                    let row = gate * hidden + j;
                    dot_backward((&w[0], &mut gradient[0]), row, dz, &x[t], &mut dx[t]);
                    gradient[2][row] += dz;
                }
            }
            let mut d_in = dz.d_in;
            for (gate, dz) in dz.recurrent.iter().enumerate() {
                for (j, &dz) in dz.iter().enumerate() {
                    let matrix = (&w[1][..], &mut gradient[1][..]);
                    dot_backward(matrix, gate * hidden + j, dz, &own.dropped[t], &mut d_in);
                }
            }
            for j in 0..hidden {
                dh[j] += d_in[j] * own.mask[j];
            }
        }
    }

    /// The derivatives by the pre-activations of one step. `dh` and `dc` become the derivatives by the
    /// state before it, without the part that comes through the weights.
    fn gates_backward(
        &self,
        (w, gradient): (&[Vec<T>], &mut [Vec<T>]),
        own: &Direction<T>,
        t: usize,
        (dh, dc): (&mut [T], &mut [T]),
    ) -> Gates<T> {
        match self.config.cell {
            Cell::Elman(activation) => self.elman_backward(activation, own, t, dh),
            Cell::Lstm => self.lstm_backward(own, t, (dh, dc)),
            Cell::Gru { reset_after } => {
                self.gru_backward(reset_after, (w, gradient), own, (t, dh))
            }
        }
    }

    fn elman_backward(
        &self,
        activation: Activation,
        own: &Direction<T>,
        t: usize,
        dh: &mut [T],
    ) -> Gates<T> {
        let hidden = self.config.shape.hidden;
        let mut dz = vec![vec![T::ZERO; hidden]];
        for j in 0..hidden {
            dz[0][j] = dh[j] * activation.derivative(own.gates[t][0][j], own.h[t][j]);
            dh[j] = T::ZERO;
        }
        Gates { recurrent: dz.clone(), gates: dz, d_in: vec![T::ZERO; hidden] }
    }

    fn lstm_backward(
        &self,
        own: &Direction<T>,
        t: usize,
        (dh, dc): (&mut [T], &mut [T]),
    ) -> Gates<T> {
        let hidden = self.config.shape.hidden;
        let mut dz = vec![vec![T::ZERO; hidden]; 4];
        for j in 0..hidden {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate: usize| own.gates[t][gate][j]);
            let tanh_c = own.cell[t][j].tanh();
            let d = dc[j] + dh[j] * o * (T::ONE - tanh_c * tanh_c);
            dz[0][j] = d * g * i * (T::ONE - i);
            dz[1][j] = d * own.cell_before[t][j] * f * (T::ONE - f);
            dz[2][j] = d * i * (T::ONE - g * g);
            dz[3][j] = dh[j] * tanh_c * o * (T::ONE - o);
            dc[j] = d * f;
            dh[j] = T::ZERO;
        }
        Gates { recurrent: dz.clone(), gates: dz, d_in: vec![T::ZERO; hidden] }
    }

    fn gru_backward(
        &self,
        reset_after: bool,
        (w, gradient): (&[Vec<T>], &mut [Vec<T>]),
        own: &Direction<T>,
        (t, dh): (usize, &mut [T]),
    ) -> Gates<T> {
        let (hidden, gates) = (self.config.shape.hidden, &own.gates[t]);
        let mut dz = vec![vec![T::ZERO; hidden]; 3];
        for j in 0..hidden {
            let (z, n) = (gates[1][j], gates[2][j]);
            dz[2][j] = dh[j] * (T::ONE - z) * (T::ONE - n * n);
            dz[1][j] = dh[j] * (own.before[t][j] - n) * z * (T::ONE - z);
            dh[j] = dh[j] * z;
        }
        let mut recurrent = dz.clone();
        let (mut d_reset, mut d_in) = (vec![T::ZERO; hidden], vec![T::ZERO; hidden]);
        if reset_after {
            for j in 0..hidden {
                d_reset[j] = dz[2][j] * own.inner[t][j];
                recurrent[2][j] = dz[2][j] * gates[0][j];
                gradient[3][j] += recurrent[2][j];
            }
        } else {
            // Through W_hn to r ∘ h, and from there to r and h.
            let mut d_inner = vec![T::ZERO; hidden];
            for j in 0..hidden {
                let matrix = (&w[1][..], &mut gradient[1][..]);
                dot_backward(matrix, 2 * hidden + j, dz[2][j], &own.inner[t], &mut d_inner);
            }
            for j in 0..hidden {
                d_reset[j] = d_inner[j] * own.dropped[t][j];
                d_in[j] = d_inner[j] * gates[0][j];
            }
            recurrent.pop();
        }
        for j in 0..hidden {
            let r = gates[0][j];
            dz[0][j] = d_reset[j] * r * (T::ONE - r);
            recurrent[0][j] = dz[0][j];
        }
        Gates { gates: dz, recurrent, d_in }
    }
}

/// Derivatives of one step.
struct Gates<T> {
    /// By the sums that the inputs contribute to.
    gates: Rows<T>,
    /// By the sums that the state's products contribute to.
    recurrent: Rows<T>,
    /// By the state after dropout, without these products.
    d_in: Vec<T>,
}
