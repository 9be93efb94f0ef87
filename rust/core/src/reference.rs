//! The oracle: the same networks written as the textbook has them, one number at a time.
//!
//! Every fast kernel is compared with this in tests. It allocates freely, knows no padding and
//! keeps weights in the shape that users see.

use crate::bptt::{Masks, Readout, Site};
use crate::cell::Cell;
use crate::data::Sequences;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::network::{Config, Network};
use crate::plan::Segment;
use crate::real::Real;
use crate::reduction::LabelWeight;
use crate::train::Objective;

/// A network's configuration and its tensors, row-major, in the layout's order.
pub struct Reference<T: Real> {
    config: Config,
    layout: Layout,
    tensors: Vec<Vec<T>>,
}

/// A row of numbers per step.
type Rows<T> = Vec<Vec<T>>;

/// One direction of one layer over one sequence; rows in the order of time.
struct Direction<T> {
    /// Per step, the gates after their activations; for an Elman unit, z.
    gates: Vec<Rows<T>>,
    /// W_hn h + b_hn, or r ∘ h, of a GRU.
    inner: Rows<T>,
    /// The state that a step starts from, and the same after dropout.
    before: Rows<T>,
    dropped: Rows<T>,
    cell_before: Rows<T>,
    cell: Rows<T>,
    h: Rows<T>,
    /// The factors of recurrent dropout.
    mask: Vec<T>,
}

/// What a pass over one sequence leaves behind.
struct Trace<T> {
    /// By layer: its input, and its directions.
    layers: Vec<(Rows<T>, Vec<Direction<T>>)>,
    /// The factors between layers, by layer and step.
    masks: Vec<Rows<T>>,
    /// What the head reads, and the outputs' pre-activations.
    read: Rows<T>,
    logits: Rows<T>,
}

fn sigmoid<T: Real>(z: T) -> T {
    T::ONE / (T::ONE + (-z).exp())
}

/// Row `row` of a matrix times a vector.
fn dot<T: Real>(matrix: &[T], row: usize, x: &[T]) -> T {
    let mut sum = T::ZERO;
    for k in 0..x.len() {
        sum += matrix[row * x.len() + k] * x[k];
    }
    sum
}

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
    /// The same weights as `network`.
    pub fn of(network: &Network<T>) -> Self {
        let tensors = (0..network.layout().tensors().len()).map(|t| network.tensor(t)).collect();
        Self { config: *network.config(), layout: network.layout().clone(), tensors }
    }

    /// Outputs `(N, L)`, or `(S, L)` with a readout of whole sequences, and the last layer's
    /// states `(N, D·H)`.
    pub fn predict(&self, data: &Sequences<'_, T>, loss: Loss) -> (Vec<T>, Vec<T>) {
        let (mut outputs, mut states) = (Vec::new(), Vec::new());
        for s in 0..data.len() {
            let trace = self.forward(data.features(s), s as u32, None);
            let first = if self.config.per_sequence() { trace.logits.len() - 1 } else { 0 };
            for logits in &trace.logits[first..] {
                let mut y = logits.clone();
                loss.outputs(self.config.output_activation, &mut y);
                outputs.extend(y);
            }
            let (_, directions) = &trace.layers[self.config.layers - 1];
            states.extend(beside(directions).concat());
        }
        (outputs, states)
    }

    /// The loss of `batch` and its gradient, tensor by tensor. With a seed, numbers are dropped as
    /// it says.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        objective: Objective,
        dropout_seed: Option<u64>,
    ) -> (f64, Vec<Vec<T>>) {
        let masks = dropout_seed.map(Masks::of_seed);
        let mut weight = LabelWeight::default();
        for &sequence in batch {
            let steps = data.range(sequence as usize).len() as u32;
            weight.add(data.piece(Segment { sequence, position: 0, from: 0, steps, start: 0 }));
        }
        let divisor = weight.divisor(objective.reduction, data.label_columns());
        let mut gradient: Vec<Vec<T>> =
            self.tensors.iter().map(|tensor| vec![T::ZERO; tensor.len()]).collect();
        let mut total = 0.0;
        for &s in batch {
            let trace = self.forward(data.features(s as usize), s, masks);
            let labels = (data.labels(s as usize), data.weights(s as usize));
            let scale = T::from_f64(if divisor > 0.0 { 1.0 / divisor } else { 0.0 });
            let (value, d_logits) = self.loss(&trace, labels, (objective.loss, scale));
            total += value;
            self.backward(&trace, &d_logits, &mut gradient);
        }
        (if divisor > 0.0 { total / divisor } else { 0.0 }, gradient)
    }

    fn forward(&self, x: &[T], sequence: u32, masks: Option<Masks>) -> Trace<T> {
        let config = &self.config;
        let mut input: Rows<T> = x.chunks(config.shape.input).map(<[T]>::to_vec).collect();
        let (mut layers, mut all_masks) = (Vec::new(), Vec::new());
        for layer in 0..config.layers {
            let mut factors = vec![vec![T::ONE; input[0].len()]; input.len()];
            if let Some(masks) = masks.filter(|_| layer > 0 && config.dropout > 0.0) {
                for (t, factors) in factors.iter_mut().enumerate() {
                    let place = (Site::Input(layer), sequence, t);
                    let count = factors.len();
                    masks.draw(place, (config.dropout, count), |i, f| factors[i] = f);
                }
            }
            for (x, factors) in input.iter_mut().zip(&factors) {
                x.iter_mut().zip(factors).for_each(|(x, &factor)| *x = *x * factor);
            }
            let directions: Vec<_> = (0..config.directions())
                .map(|d| self.direction(layer, d, &input, (sequence, masks)))
                .collect();
            let above = beside(&directions);
            layers.push((input, directions));
            all_masks.push(factors);
            input = above;
        }
        let read = self.read(&input);
        let head = self.layout.head();
        let logits = read
            .iter()
            .map(|s| {
                let row = |l| dot(&self.tensors[head], l, s) + self.tensors[head + 1][l];
                (0..config.shape.output).map(row).collect()
            })
            .collect();
        Trace { layers, masks: all_masks, read, logits }
    }

    /// One direction of one layer.
    fn direction(
        &self,
        layer: usize,
        direction: usize,
        x: &Rows<T>,
        (sequence, masks): (u32, Option<Masks>),
    ) -> Direction<T> {
        let (config, hidden, steps) = (&self.config, self.config.shape.hidden, x.len());
        let w = &self.tensors[self.layout.direction(layer, direction)];
        let rows = || vec![vec![T::ZERO; hidden]; steps];
        let mut own = Direction {
            gates: vec![vec![vec![T::ZERO; hidden]; config.cell.gates()]; steps],
            inner: rows(),
            before: rows(),
            dropped: rows(),
            cell_before: rows(),
            cell: rows(),
            h: rows(),
            mask: vec![T::ONE; hidden],
        };
        if let Some(masks) = masks.filter(|_| config.recurrent_dropout > 0.0) {
            let place = (Site::Recurrent(layer, direction), sequence, 0);
            masks.draw(place, (config.recurrent_dropout, hidden), |i, f| own.mask[i] = f);
        }
        let (mut h, mut c) = (vec![T::ZERO; hidden], vec![T::ZERO; hidden]);
        for i in 0..steps {
            let t = if direction == 0 { i } else { steps - 1 - i };
            own.before[t] = h.clone();
            own.cell_before[t] = c.clone();
            own.dropped[t] = h.iter().zip(&own.mask).map(|(&h, &m)| h * m).collect();
            self.step(w, &x[t], &mut own, t);
            (h, c) = (own.h[t].clone(), own.cell[t].clone());
        }
        own
    }

    /// One step: gates, cell state and state.
    fn step(&self, w: &[Vec<T>], x: &[T], own: &mut Direction<T>, t: usize) {
        let hidden = self.config.shape.hidden;
        let h_in = own.dropped[t].clone();
        let input =
            |gate: usize, j: usize| dot(&w[0], gate * hidden + j, x) + w[2][gate * hidden + j];
        let recurrent = |gate: usize, j: usize, h: &[T]| dot(&w[1], gate * hidden + j, h);
        let gates = &mut own.gates[t];
        match self.config.cell {
            Cell::Elman(activation) => {
                for j in 0..hidden {
                    gates[0][j] = input(0, j) + recurrent(0, j, &h_in);
                    own.h[t][j] = activation.value(gates[0][j]);
                }
            }
            Cell::Lstm => {
                for j in 0..hidden {
                    for gate in 0..4 {
                        let z = input(gate, j) + recurrent(gate, j, &h_in);
                        gates[gate][j] = if gate == 2 { z.tanh() } else { sigmoid(z) };
                    }
                    let c = gates[1][j] * own.cell_before[t][j] + gates[0][j] * gates[2][j];
                    own.cell[t][j] = c;
                    own.h[t][j] = gates[3][j] * c.tanh();
                }
            }
            Cell::Gru { reset_after } => {
                for j in 0..hidden {
                    for gate in 0..2 {
                        gates[gate][j] = sigmoid(input(gate, j) + recurrent(gate, j, &h_in));
                    }
                    own.inner[t][j] = if reset_after {
                        recurrent(2, j, &h_in) + w[3][j]
                    } else {
                        gates[0][j] * h_in[j]
                    };
                }
                for j in 0..hidden {
                    let inner = if reset_after {
                        gates[0][j] * own.inner[t][j]
                    } else {
                        recurrent(2, j, &own.inner[t])
                    };
                    let n = (input(2, j) + inner).tanh();
                    gates[2][j] = n;
                    let z = gates[1][j];
                    own.h[t][j] = (T::ONE - z) * n + z * own.before[t][j];
                }
            }
        }
    }

    /// What the head reads, as if the sequence ended at each step.
    fn read(&self, states: &Rows<T>) -> Rows<T> {
        let hidden = self.config.shape.hidden;
        let mut read = states.clone();
        match self.config.readout {
            Readout::EachStep => {}
            Readout::Last => {
                for row in &mut read {
                    row[hidden..].copy_from_slice(&states[0][hidden..]);
                }
            }
            Readout::Mean => {
                let mut sum = vec![T::ZERO; states[0].len()];
                for (t, row) in read.iter_mut().enumerate() {
                    let count = T::from_f64((t + 1) as f64);
                    for (sum, x) in sum.iter_mut().zip(row) {
                        *sum += *x;
                        *x = *sum / count;
                    }
                }
            }
        }
        read
    }

    /// Σ w e, and its derivative by the pre-activations times `scale`.
    fn loss(
        &self,
        trace: &Trace<T>,
        (labels, weights): (&[T], &[T]),
        (loss, scale): (Loss, T),
    ) -> (f64, Rows<T>) {
        let columns = labels.len() / trace.logits.len();
        let (mut total, mut d_logits) = (0.0, Vec::new());
        for (t, logits) in trace.logits.iter().enumerate() {
            let mut d = vec![T::ZERO; logits.len()];
            let part = t * columns..(t + 1) * columns;
            let own = if weights.is_empty() { weights } else { &weights[part.clone()] };
            let activation = self.config.output_activation;
            total += loss.row(activation, logits, &labels[part], own, &mut d).to_f64();
            d.iter_mut().for_each(|d| *d = *d * scale);
            d_logits.push(d);
        }
        (total, d_logits)
    }

    fn backward(&self, trace: &Trace<T>, d_logits: &Rows<T>, gradient: &mut [Vec<T>]) {
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

    /// The derivatives by the pre-activations of one step; `dh` and `dc` become those by the state
    /// before it, without what comes through the weights.
    fn gates_backward(
        &self,
        (w, gradient): (&[Vec<T>], &mut [Vec<T>]),
        own: &Direction<T>,
        t: usize,
        (dh, dc): (&mut [T], &mut [T]),
    ) -> Gates<T> {
        let hidden = self.config.shape.hidden;
        let gates = &own.gates[t];
        let mut dz = vec![vec![T::ZERO; hidden]; gates.len()];
        let mut d_in = vec![T::ZERO; hidden];
        match self.config.cell {
            Cell::Elman(activation) => {
                for j in 0..hidden {
                    dz[0][j] = dh[j] * activation.derivative(gates[0][j], own.h[t][j]);
                    dh[j] = T::ZERO;
                }
                Gates { recurrent: dz.clone(), gates: dz, d_in }
            }
            Cell::Lstm => {
                for j in 0..hidden {
                    let [i, f, g, o] = [0, 1, 2, 3].map(|gate: usize| gates[gate][j]);
                    let tanh_c = own.cell[t][j].tanh();
                    let d = dc[j] + dh[j] * o * (T::ONE - tanh_c * tanh_c);
                    dz[0][j] = d * g * i * (T::ONE - i);
                    dz[1][j] = d * own.cell_before[t][j] * f * (T::ONE - f);
                    dz[2][j] = d * i * (T::ONE - g * g);
                    dz[3][j] = dh[j] * tanh_c * o * (T::ONE - o);
                    dc[j] = d * f;
                    dh[j] = T::ZERO;
                }
                Gates { recurrent: dz.clone(), gates: dz, d_in }
            }
            Cell::Gru { reset_after } => {
                let mut d_reset = vec![T::ZERO; hidden];
                for j in 0..hidden {
                    let (z, n) = (gates[1][j], gates[2][j]);
                    dz[2][j] = dh[j] * (T::ONE - z) * (T::ONE - n * n);
                    dz[1][j] = dh[j] * (own.before[t][j] - n) * z * (T::ONE - z);
                    dh[j] = dh[j] * z;
                }
                let mut recurrent = dz.clone();
                if reset_after {
                    for j in 0..hidden {
                        d_reset[j] = dz[2][j] * own.inner[t][j];
                        recurrent[2][j] = dz[2][j] * gates[0][j];
                        gradient[3][j] += recurrent[2][j];
                    }
                } else {
                    // Through W_hn to r ∘ h, and from there to both.
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
    }
}

/// Derivatives of one step.
struct Gates<T> {
    /// By what the inputs add to.
    gates: Rows<T>,
    /// By what the state's products add to.
    recurrent: Rows<T>,
    /// By the state after dropout, but for those products.
    d_in: Vec<T>,
}

/// The states of a layer's directions side by side, step by step.
fn beside<T: Real>(directions: &[Direction<T>]) -> Rows<T> {
    let steps = directions[0].h.len();
    (0..steps).map(|t| directions.iter().flat_map(|d| d.h[t].clone()).collect()).collect()
}
