//! The fused fast path: loss and gradient of one short sequence of a simple network, in one kernel.
//!
//! A short sequence in a small network takes a few hundred arithmetic instructions: the calls, copies
//! and general rows of a [`super::Pass`] would cost more than the work itself. So here the number of
//! groups of a state is a constant, and everything is one kernel; only the recurrence goes step by
//! step. The forward pass adds up in the order that [`crate::packing`] gives.
//!
//! It cuts the time of a training step on one sequence to between a third (3-5-1, 1-5-1) and four
//! fifths (6-32-1) (`examples/shapes` at a batch size of 1, AVX2).

mod products;
mod step;

use super::head::LossKernel;
use super::request::{LossRequest, Target};
use super::trace::chunk_steps;
use crate::activation::Activation;
use crate::cell::Cell;
use crate::config::Config;
use crate::data::SegmentRows;
use crate::lanes::Real;
use crate::lanes::blocks::load_each;
use crate::lanes::matrix::Vector;
use crate::lanes::simd::{Kernel, Lanes, Simd, numbers, numbers_mut};
use crate::loss::Loss;
use crate::packing::{ByUnit, Packing, padding};
use crate::weights::{Layout, NetworkView};
use products::{
    Table, add_at_lookups, add_lookups, add_outer, add_product, multiply, read_out, transpose,
};
pub(crate) use step::FusedStep;

/// The most groups of a state: with more, registers run short.
const MOST_GROUPS: usize = 2;

/// Buffers for sequences of a few steps: rows of one or two groups, `(steps, H)`.
pub(crate) struct Fused<V> {
    states: Vec<V>,
    /// Pre-activations, then the derivatives by them.
    slots: Vec<V>,
    /// Pre-activations of the outputs, contiguous, `(steps · L,)`, then the derivatives by them; the
    /// labels and the weights of the labels.
    logits: Vec<V>,
    labels: Vec<V>,
    label_weights: Vec<V>,
    /// `W_hh`, transposed.
    transposed: Vec<V>,
}

/// The groups of a network's state, if the fused path supports it: a single layer of few Elman units in
/// one direction, without dropout.
pub(crate) fn fused_groups<V: Lanes>(config: &Config) -> Option<usize> {
    let groups = ByUnit::groups(config.shape.hidden, V::LEN);
    let fits = in_registers::<V::Simd>()
        && matches!(config.cell, Cell::Elman(_))
        && config.layers == 1
        && !config.bidirectional
        && !config.pools()
        && config.statics.is_empty()
        && config.recurrent_dropout == 0.0
        && groups <= MOST_GROUPS;
    fits.then_some(groups)
}

/// Whether a group takes few registers. Otherwise the path is not compiled: it is large, and would save
/// too little.
const fn in_registers<S: Simd>() -> bool {
    S::OUTER.0 > 1
}

/// Evaluates `$call` with the constant `$G` set to the number of groups of a state.
macro_rules! in_groups {
    ($V:ident, $groups:expr, $G:ident => $call:expr) => {
        match $groups {
            _ if !in_registers::<$V::Simd>() => unreachable!("there is no fused path then"),
            1 => {
                const $G: usize = 1;
                $call
            }
            _ => {
                const $G: usize = MOST_GROUPS;
                $call
            }
        }
    };
}
use in_groups;

impl<T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Fused<V> {
    /// Buffers, if the path supports every sequence: the network has [`fused_groups`], there are few
    /// steps, and the loss treats each output separately.
    pub(crate) fn new(simd: S, layout: &Layout, steps: usize, target: Target) -> Option<Self> {
        let config = layout.config();
        let groups = fused_groups::<V>(config)?;
        let fits = steps <= chunk_steps(layout.len()) && target != Target::Loss(Loss::CrossEntropy);
        let zeros = |count: usize| vec![V::splat(simd, T::ZERO); count];
        let outputs = (steps * config.shape.output).div_ceil(V::LEN);
        fits.then(|| Self {
            states: zeros(steps * groups),
            slots: zeros(steps * groups),
            logits: zeros(outputs),
            labels: zeros(outputs),
            label_weights: zeros(outputs),
            transposed: zeros(groups * V::LEN * groups),
        })
    }

    /// `Σ loss` of some steps of a sequence; if the gradient is wanted, adds it to `gradient`.
    pub(crate) fn run(
        &mut self,
        simd: S,
        network: &NetworkView<'_, T>,
        (rows, steps): (&SegmentRows<'_, T>, usize),
        request: &LossRequest<T>,
        gradient: &mut [V],
    ) -> f64 {
        let sequence = OneSequence { buffers: self, network, rows, steps, request, gradient };
        let groups = ByUnit::groups(network.config.shape.hidden, V::LEN);
        in_groups!(V, groups, G => simd.vectorize(InGroups::<G, _>(sequence)))
    }
}

/// A kernel for states of G groups.
struct InGroups<const G: usize, K>(K);

/// Loss and gradient of one sequence.
struct OneSequence<'a, V: Lanes> {
    buffers: &'a mut Fused<V>,
    network: &'a NetworkView<'a, V::Elem>,
    rows: &'a SegmentRows<'a, V::Elem>,
    steps: usize,
    request: &'a LossRequest<V::Elem>,
    gradient: &'a mut [V],
}

impl<const G: usize, S: Simd, V: Lanes<Simd = S>> Kernel<S> for InGroups<G, OneSequence<'_, V>> {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let OneSequence { buffers, network, rows, steps, request, gradient } = self.0;
        let (config, weights) = (network.config, Weights::of(network));
        let (shape, hidden) = (config.shape, config.shape.hidden);
        // Slices of exactly `steps` rows, so that accesses need no bounds checks.
        let states = &mut buffers.states.as_chunks_mut::<G>().0[..steps];
        let slots = &mut buffers.slots.as_chunks_mut::<G>().0[..steps];
        let x =
            Table { numbers: rows.features, stride: config.features(), columns: config.numbers() };
        let logits = &mut buffers.logits[..rows.labels.len().div_ceil(V::LEN)];
        forward_pass(simd, (&weights, hidden), x, (slots, states), logits);
        let labels = &mut buffers.labels[..logits.len()];
        let used = if rows.label_weights.is_empty() { 0 } else { logits.len() };
        let label_weights = &mut buffers.label_weights[..used];
        load_labels(simd, rows, labels, label_weights);
        let sum = LossKernel {
            target: request.target,
            activation: config.output_activation,
            outputs: 1,
            labels,
            label_weights,
            logits,
            scale: request.scale,
            several: true,
        }
        .run(simd);
        if request.gradient {
            let dy =
                Table { numbers: numbers(logits), stride: shape.output, columns: shape.output };
            let transposed = &mut buffers.transposed;
            backward_pass(simd, (&weights, hidden), dy, (slots, states), transposed);
            let layout = network.layout;
            AddGradient { layout, x, hidden, dy, slots, states, gradient }.run(simd);
        }
        sum
    }
}

/// From features to states and pre-activations of the outputs.
#[inline(always)]
fn forward_pass<const G: usize, V: Lanes>(
    simd: V::Simd,
    (weights, hidden): (&Weights<'_, V::Elem>, usize),
    x: Table<'_, V::Elem>,
    (slots, states): (&mut [[V; G]], &mut [[V; G]]),
    logits: &mut [V],
) {
    multiply(simd, x, (weights.w_ih, weights.bias), slots);
    add_lookups(simd, x, weights.w_ih, slots);
    forward(simd, (weights.w_hh, hidden, weights.activation), None, slots, states);
    read_out(simd, states, (weights.w_hy, weights.b_y), logits);
}

/// From the derivatives by the outputs' pre-activations to those by the units', in `slots`; sets
/// `transposed` to the transpose of `W_hh`.
#[inline(always)]
fn backward_pass<const G: usize, V: Lanes>(
    simd: V::Simd,
    (weights, hidden): (&Weights<'_, V::Elem>, usize),
    dy: Table<'_, V::Elem>,
    (slots, states): (&mut [[V; G]], &[[V; G]]),
    transposed: &mut [V],
) {
    transpose::<G, V>(simd, (weights.w_hh, hidden), transposed);
    let recurrent = (numbers(transposed), hidden, weights.activation);
    backward(simd, recurrent, (dy, weights.w_hy), slots, states);
}

/// The tensors of the network, and the activation of its units.
struct Weights<'a, T> {
    activation: Activation,
    w_ih: &'a [T],
    w_hh: &'a [T],
    bias: &'a [T],
    w_hy: &'a [T],
    b_y: &'a [T],
}

impl<'a, T: Real> Weights<'a, T> {
    #[inline(always)]
    fn of(network: &NetworkView<'a, T>) -> Self {
        let Cell::Elman(activation) = network.config.cell else {
            unreachable!("the only cell that is computed so")
        };
        Self {
            activation,
            w_ih: network.tensor(0),
            w_hh: network.tensor(1),
            bias: network.tensor(2),
            w_hy: network.tensor(3),
            b_y: &network.tensor(4)[..network.config.shape.output],
        }
    }
}

/// Completes the pre-activations, which hold the part from the inputs, and computes the states. The
/// state before the first step is 0 if not given.
#[inline(always)]
fn forward<'a, const G: usize, V: Lanes>(
    simd: V::Simd,
    (w_hh, hidden, activation): (&[V::Elem], usize, Activation),
    mut before: Option<&'a [V; G]>,
    slots: &mut [[V; G]],
    states: &'a mut [[V; G]],
) {
    let (zero, padding) = (V::splat(simd, V::Elem::ZERO), padding::<V>(simd, hidden));
    for (z, after) in slots.iter_mut().zip(states) {
        // A pre-activation stays in registers until its activation: going through memory would take
        // longer, and the next state waits for it.
        let (mut own, mut state) = (*z, [zero; G]);
        if let Some(before) = before {
            add_product(simd, &numbers(before)[..hidden], w_hh, &mut own);
        }
        activation.apply_to_units(&own, &mut state);
        state[G - 1] = V::select(padding, zero, state[G - 1]);
        (*z, *after) = (own, state);
        before = Some(after);
    }
}

/// Loads the labels of as many outputs as there are lanes, and their weights.
#[inline(always)]
fn load_labels<V: Lanes>(
    simd: V::Simd,
    rows: &SegmentRows<'_, V::Elem>,
    labels: &mut [V],
    label_weights: &mut [V],
) {
    let missing = V::Elem::from_f64(f64::NAN);
    for (own, numbers) in labels.iter_mut().zip(rows.labels.chunks(V::LEN)) {
        *own = V::load_partial(simd, numbers, missing);
    }
    for (own, numbers) in label_weights.iter_mut().zip(rows.label_weights.chunks(V::LEN)) {
        *own = V::load_partial(simd, numbers, V::Elem::ZERO);
    }
}

/// From the derivatives by the outputs' pre-activations to those by the units', in `slots`.
#[inline(always)]
fn backward<const G: usize, V: Lanes>(
    simd: V::Simd,
    (transposed, hidden, activation): (&[V::Elem], usize, Activation),
    (dy, w_hy): (Table<'_, V::Elem>, &[V::Elem]),
    slots: &mut [[V; G]],
    states: &[[V; G]],
) {
    let w_hy = &w_hy[..dy.columns * G * V::LEN];
    let mut after: Option<&[V; G]> = None;
    for (t, (z, state)) in slots.iter_mut().zip(states).enumerate().rev() {
        let dy = &dy.numbers[t * dy.columns..][..dy.columns];
        let mut d = Vector([V::splat(simd, V::Elem::ZERO); G]);
        for l in 0..dy.len() {
            let row = load_each(simd, &w_hy[l * G * V::LEN..]);
            d.add_scaled(V::splat(simd, dy[l]), &row);
        }
        if let Some(after) = after {
            add_product(simd, &numbers(after)[..hidden], transposed, &mut d.0);
        }
        activation.derive(&d.0, z, state);
        after = Some(z);
    }
}

/// dW_ih = Σ dz_t x_tᵀ, dW_hh = Σ dz_t h_{t−1}ᵀ, db = Σ dz_t, dW_hy = Σ dy_t h_tᵀ, db_y = Σ dy_t.
struct AddGradient<'a, const G: usize, V: Lanes> {
    layout: &'a Layout,
    x: Table<'a, V::Elem>,
    hidden: usize,
    dy: Table<'a, V::Elem>,
    /// dz
    slots: &'a [[V; G]],
    states: &'a [[V; G]],
    /// The gradient in the layout's order; it is added to.
    gradient: &'a mut [V],
}

impl<const G: usize, S: Simd, V: Lanes<Simd = S>> Kernel<S> for AddGradient<'_, G, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { layout, x, hidden, dy, slots: dz, states, gradient } = self;
        let groups = |tensor: usize| layout.range(tensor).len() / V::LEN;
        // Tensors are stored in order of their numbers.
        let (g_ih, others) = gradient.split_at_mut(groups(0));
        let (g_hh, others) = others.split_at_mut(groups(1));
        let (g_b, others) = others.split_at_mut(G);
        let (g_hy, g_by) = others.split_at_mut(groups(3));
        let h =
            Table { numbers: numbers(states.as_flattened()), stride: G * V::LEN, columns: hidden };
        add_outer(simd, x, dz, &mut *g_ih);
        add_at_lookups(x, dz, g_ih);
        add_outer(simd, h, &dz[1..], g_hh);
        add_outer(simd, dy, states, g_hy);
        let mut sums = [V::splat(simd, V::Elem::ZERO); G];
        for dz in dz {
            for g in 0..G {
                sums[g] = sums[g] + dz[g];
            }
        }
        for g in 0..G {
            g_b[g] = g_b[g] + sums[g];
        }
        for (l, own) in numbers_mut(g_by)[..dy.columns].iter_mut().enumerate() {
            let mut sum = V::Elem::ZERO;
            for t in 0..dz.len() {
                sum += dy.numbers[t * dy.columns + l];
            }
            *own += sum;
        }
    }
}
