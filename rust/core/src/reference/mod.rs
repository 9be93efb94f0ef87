//! The reference implementation: networks of any architecture in textbook form, one number at a time.
//!
//! Tests compare every fast kernel with it. It allocates freely, has no padding and keeps weights in
//! the shape that users see. Its sizes are known only at run time, as tests draw them at random, along
//! with layers, directions, readouts and dropout. [`crate::textbook`] implements the cells again, on
//! matrices whose sizes are types, as a reference for a fixed table of shapes.

mod backward;

use crate::bptt::{DropoutMasks, Site};
use crate::cell::Cell;
use crate::config::{Config, Readout};
use crate::data::Sequences;
use crate::lanes::Real;
use crate::loss::Loss;
use crate::objective::{Objective, Reduction};
use crate::weights::{Layout, Network};

/// A network's configuration and its tensors, row-major, in the layout's order.
pub struct Reference<T: Real> {
    config: Config,
    layout: Layout,
    tensors: Vec<Vec<T>>,
}

/// A row of numbers per step.
type Rows<T> = Vec<Vec<T>>;

/// One direction of one layer over one sequence; rows in order of time.
struct Direction<T> {
    /// Per step, the gates after their activations; for an Elman unit, z.
    gates: Vec<Rows<T>>,
    /// For a GRU: W_hn h + b_hn, or r ∘ h.
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

/// What a pass over one sequence computes.
struct Trace<T> {
    /// By layer: its input, and its directions.
    layers: Vec<(Rows<T>, Vec<Direction<T>>)>,
    /// The dropout factors between layers, by layer and step.
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

impl<T: Real> Reference<T> {
    /// The same weights as `network`.
    pub fn of(network: &Network<T>) -> Self {
        let tensors = (0..network.layout().tensors().len()).map(|t| network.tensor(t)).collect();
        Self { config: *network.config(), layout: network.layout().clone(), tensors }
    }

    /// Outputs `(N, L)`, or `(S, L)` if the readout is per sequence, and the last layer's states `(N,
    /// D·H)`.
    pub fn predict(&self, data: &Sequences<'_, T>, loss: Loss) -> (Vec<T>, Vec<T>) {
        let (mut outputs, mut states) = (Vec::new(), Vec::new());
        for s in 0..data.len() {
            let trace = self.forward(data, s as u32, None);
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

    /// The loss of `batch` and its gradient, tensor by tensor. With a seed, dropout is active.
    pub fn gradient(
        &self,
        data: &Sequences<'_, T>,
        batch: &[u32],
        objective: Objective,
        dropout_seed: Option<u64>,
    ) -> (f64, Vec<Vec<T>>) {
        let masks = dropout_seed.map(DropoutMasks::of_seed);
        let divisor = divisor(data, batch, objective.reduction);
        let mut gradient: Vec<Vec<T>> =
            self.tensors.iter().map(|tensor| vec![T::ZERO; tensor.len()]).collect();
        let mut total = 0.0;
        for &s in batch {
            let trace = self.forward(data, s, masks);
            let labels = (data.labels(s as usize), data.label_weights(s as usize));
            let scale = T::from_f64(if divisor > 0.0 { 1.0 / divisor } else { 0.0 });
            let (value, d_logits) = self.loss(&trace, labels, (objective.loss, scale));
            total += value;
            self.backward(&trace, &d_logits, &mut gradient);
        }
        (if divisor > 0.0 { total / divisor } else { 0.0 }, gradient)
    }

    fn forward(
        &self,
        data: &Sequences<'_, T>,
        sequence: u32,
        masks: Option<DropoutMasks>,
    ) -> Trace<T> {
        let config = &self.config;
        let (x, statics) = (data.features(sequence as usize), data.statics(sequence as usize));
        let rows = x.chunks(config.features());
        let mut input: Rows<T> = rows.map(|row| self.inputs(row, statics)).collect();
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
                .map(|d| {
                    let number = layer * config.directions() + d;
                    let initial = data.initial_state(sequence as usize);
                    let initial = initial.chunks(config.state_width()).nth(number);
                    self.direction((layer, d), &input, initial, (sequence, masks))
                })
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

    /// The inputs of a step: its numbers, then all inputs of its categories, one of which is 1 for
    /// each; then the same for the static features.
    fn inputs(&self, features: &[T], statics: &[T]) -> Vec<T> {
        let (numbers, categories) = features.split_at(self.config.numbers());
        let (static_numbers, static_categories) = statics.split_at(self.config.statics.numbers);
        let mut inputs = numbers.to_vec();
        inputs.resize(self.config.first_static(), T::ZERO);
        inputs.extend(static_numbers);
        inputs.resize(self.config.shape.input, T::ZERO);
        for code in categories.iter().chain(static_categories) {
            inputs[code.to_f64() as usize] = T::ONE;
        }
        inputs
    }

    /// One direction of one layer.
    fn direction(
        &self,
        (layer, direction): (usize, usize),
        x: &Rows<T>,
        initial: Option<&[T]>,
        (sequence, masks): (u32, Option<DropoutMasks>),
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
        if let Some(initial) = initial {
            h.copy_from_slice(&initial[..hidden]);
            c[..initial.len() - hidden].copy_from_slice(&initial[hidden..]);
        }
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

    /// What the head reads at each step, as if the sequence ended there.
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
}

/// The states of a layer's directions, concatenated at each step.
fn beside<T: Real>(directions: &[Direction<T>]) -> Rows<T> {
    let steps = directions[0].h.len();
    (0..steps).map(|t| directions.iter().flat_map(|d| d.h[t].clone()).collect()).collect()
}

/// The divisor of the sum of a batch's losses; see [`crate::objective`].
fn divisor<T: Real>(data: &Sequences<'_, T>, batch: &[u32], reduction: Reduction) -> f64 {
    let (mut labels, mut sequences) = (0.0, 0.0);
    for &s in batch {
        let (mut count, mut weight) = (0.0, 0.0);
        for (i, label) in data.labels(s as usize).iter().enumerate() {
            if !label.is_nan() {
                count += 1.0;
                weight += data.label_weights(s as usize).get(i).map_or(1.0, |w| w.to_f64());
            }
        }
        labels += weight;
        sequences += if count > 0.0 { weight / count } else { 0.0 };
    }
    match reduction {
        Reduction::Mean => labels,
        Reduction::Sum => sequences * data.label_columns() as f64,
    }
}
