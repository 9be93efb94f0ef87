//! Online gradient descent: the gradient of one short sequence of a simple network, in one go.
//!
//! Short sequences of few units are a few hundred instructions of arithmetic. Beside them the calls,
//! copies and general rows of a [`super::Pass`] would cost more than the work itself. So here the
//! groups of a state are known to the compiler, and all phases are one kernel; only the recurrence
//! goes step by step. Sums forward run in the order that [`crate::packing`] gives.

mod products;
mod step;

use super::head::LossOf;
use super::model::{Aim, Model, Places};
use super::pass::window;
use crate::activation::Activation;
use crate::blocks::load_each;
use crate::cell::Cell;
use crate::data::Piece;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::matrix::Vector;
use crate::network::Config;
use crate::packing::{ByUnit, Packing, padding};
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd, numbers, numbers_mut};
use products::{Table, add_outer, add_product, multiply, read_out, transpose};
pub(crate) use step::OneStep;

/// Groups of a state, at most: more leave registers short.
const MOST_GROUPS: usize = 2;

/// Buffers for sequences of a few steps: rows of one group or two, `(steps, H)`.
pub(crate) struct Online<V> {
    states: Vec<V>,
    /// Pre-activations, then the derivatives by them.
    slots: Vec<V>,
    /// Pre-activations of the outputs side by side, `(steps · L,)`, then the derivatives by them;
    /// their labels and these labels' weights.
    logits: Vec<V>,
    labels: Vec<V>,
    weights: Vec<V>,
    /// `W_hh` the other way round.
    transposed: Vec<V>,
}

/// The groups of a network's state, if it is one that is computed so: a single layer of simple units
/// in one direction, few of them, without dropout among them.
pub(crate) fn groups<V: Lanes>(config: &Config) -> Option<usize> {
    let groups = ByUnit::groups(config.shape.hidden, V::LEN);
    let fits = in_registers::<V::Simd>()
        && matches!(config.cell, Cell::Elman(_))
        && config.layers == 1
        && !config.bidirectional
        && !config.pools()
        && config.recurrent_dropout == 0.0
        && groups <= MOST_GROUPS;
    fits.then_some(groups)
}

/// Whether a group is a few registers. Otherwise this way is not compiled: it is large, and what it
/// saves would not be seen.
const fn in_registers<S: Simd>() -> bool {
    S::PRODUCT.0 > 1
}

/// Runs `$task` with the number of groups that a state takes known to the compiler.
macro_rules! in_groups {
    ($V:ident, $simd:expr, $groups:expr, $task:expr) => {
        match $groups {
            _ if !in_registers::<$V::Simd>() => unreachable!("no network is computed so then"),
            1 => $simd.vectorize(InGroups::<1, _>($task)),
            _ => $simd.vectorize(InGroups::<MOST_GROUPS, _>($task)),
        }
    };
}
use in_groups;

/// What is to be computed, of a network whose state takes G groups.
struct InGroups<const G: usize, Task>(Task);

impl<T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Online<V> {
    /// Buffers, if all sequences can be computed so: of a network with [`groups`], few steps, and
    /// a loss of each output by itself.
    pub(crate) fn new(simd: S, layout: &Layout, steps: usize, loss: Loss) -> Option<Self> {
        let config = layout.config();
        let groups = groups::<V>(config)?;
        let fits = steps <= window(layout.len()) && loss != Loss::CrossEntropy;
        let zeros = |count: usize| vec![V::splat(simd, T::ZERO); count];
        let outputs = (steps * config.shape.output).div_ceil(V::LEN);
        fits.then(|| Self {
            states: zeros(steps * groups),
            slots: zeros(steps * groups),
            logits: zeros(outputs),
            labels: zeros(outputs),
            weights: zeros(outputs),
            transposed: zeros(groups * V::LEN * groups),
        })
    }

    /// `Σ loss` of a piece of a sequence; its gradient, if it is asked for, is added to `gradient`,
    /// or set.
    pub(crate) fn run(
        &mut self,
        simd: S,
        model: &Model<'_, T>,
        (piece, steps): (&Piece<'_, T>, usize),
        aim: &Aim<T>,
        (gradient, places, set): (&mut [V], &Places, bool),
    ) -> f64 {
        let task = OneSequence { buffers: self, model, piece, steps, aim, gradient, places, set };
        in_groups!(V, simd, ByUnit::groups(model.config.shape.hidden, V::LEN), task)
    }
}

/// What is to be computed.
struct OneSequence<'a, V: Lanes> {
    buffers: &'a mut Online<V>,
    model: &'a Model<'a, V::Elem>,
    piece: &'a Piece<'a, V::Elem>,
    steps: usize,
    aim: &'a Aim<V::Elem>,
    gradient: &'a mut [V],
    places: &'a Places,
    set: bool,
}

impl<const G: usize, S: Simd, V: Lanes<Simd = S>> Kernel<S> for InGroups<G, OneSequence<'_, V>> {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        let OneSequence { buffers, model, piece, steps, aim, gradient, places, set } = self.0;
        let (config, weights) = (model.config, Weights::of(model));
        let (shape, hidden) = (config.shape, config.shape.hidden);
        // Exactly as many rows as there are steps: no access needs a check.
        let states = &mut buffers.states.as_chunks_mut::<G>().0[..steps];
        let slots = &mut buffers.slots.as_chunks_mut::<G>().0[..steps];
        let x = Table { numbers: piece.features, stride: shape.input, columns: shape.input };
        multiply(simd, x, (weights.w_ih, weights.bias), slots);
        forward(simd, (weights.w_hh, hidden, weights.activation), None, slots, states);
        let logits = &mut buffers.logits[..piece.labels.len().div_ceil(V::LEN)];
        read_out(simd, states, (weights.w_hy, weights.b_y), logits);
        let labels = (&mut buffers.labels[..], &mut buffers.weights[..]);
        let sum = loss(simd, config.output_activation, (aim, piece), labels, logits);
        if aim.gradient {
            transpose::<G, V>(simd, (weights.w_hh, hidden), &mut buffers.transposed);
            let dy =
                Table { numbers: numbers(logits), stride: shape.output, columns: shape.output };
            let transposed = numbers(&buffers.transposed);
            let recurrent = (transposed, hidden, weights.activation);
            backward(simd, recurrent, (dy, weights.w_hy), slots, states);
            add_gradient(simd, (x, hidden, dy), (slots, states), (gradient, places, set));
        }
        sum
    }
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
    fn of(model: &Model<'a, T>) -> Self {
        let Cell::Elman(activation) = model.config.cell else {
            unreachable!("the only cell that is computed so")
        };
        Self {
            activation,
            w_ih: model.tensor(0),
            w_hh: model.tensor(1),
            bias: model.tensor(2),
            w_hy: model.tensor(3),
            b_y: &model.tensor(4)[..model.config.shape.output],
        }
    }
}

/// From the inputs' part of pre-activations to the whole of them, and to the states; a state before
/// the first step is 0 if it is not given.
#[inline(always)]
fn forward<const G: usize, V: Lanes>(
    simd: V::Simd,
    (w_hh, hidden, activation): (&[V::Elem], usize, Activation),
    mut state: Option<[V; G]>,
    slots: &mut [[V; G]],
    states: &mut [[V; G]],
) {
    let (zero, padding) = (V::splat(simd, V::Elem::ZERO), padding::<V>(simd, hidden));
    for (z, after) in slots.iter_mut().zip(states) {
        if let Some(before) = &state {
            add_product(simd, (before, hidden), w_hh, z);
        }
        activation.apply(z, after);
        after[G - 1] = V::select(padding, zero, after[G - 1]);
        state = Some(*after);
    }
}

/// The loss, of as many outputs at once as there are lanes; leaves the derivatives in `logits`.
#[inline(always)]
fn loss<V: Lanes>(
    simd: V::Simd,
    activation: Activation,
    (aim, piece): (&Aim<V::Elem>, &Piece<'_, V::Elem>),
    (labels, weights): (&mut [V], &mut [V]),
    logits: &mut [V],
) -> f64 {
    let missing = V::Elem::from_f64(f64::NAN);
    for (own, numbers) in labels.iter_mut().zip(piece.labels.chunks(V::LEN)) {
        *own = V::load_partial(simd, numbers, missing);
    }
    for (own, numbers) in weights.iter_mut().zip(piece.weights.chunks(V::LEN)) {
        *own = V::load_partial(simd, numbers, V::Elem::ZERO);
    }
    let used = if piece.weights.is_empty() { 0 } else { logits.len() };
    simd.vectorize(LossOf {
        loss: aim.loss,
        activation,
        outputs: 1,
        labels: &labels[..logits.len()],
        weights: &weights[..used],
        logits,
        scale: aim.scale,
        several: true,
    })
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
    let mut after = None;
    for (t, (z, state)) in slots.iter_mut().zip(states).enumerate().rev() {
        let dy = &dy.numbers[t * dy.columns..][..dy.columns];
        let mut d = Vector([V::splat(simd, V::Elem::ZERO); G]);
        for l in 0..dy.len() {
            let row = load_each(simd, &w_hy[l * G * V::LEN..]);
            d.add_scaled(V::splat(simd, dy[l]), &row);
        }
        if let Some(after) = &after {
            add_product(simd, (after, hidden), transposed, &mut d.0);
        }
        activation.derive(&d.0, z, state);
        after = Some(*z);
    }
}

/// dW_ih = Σ dz_t x_tᵀ, dW_hh = Σ dz_t h_{t−1}ᵀ, db = Σ dz_t, dW_hy = Σ dy_t h_tᵀ, db_y = Σ dy_t.
#[inline(always)]
fn add_gradient<const G: usize, V: Lanes>(
    simd: V::Simd,
    (x, hidden, dy): (Table<'_, V::Elem>, usize, Table<'_, V::Elem>),
    (dz, states): (&[[V; G]], &[[V; G]]),
    (gradient, places, set): (&mut [V], &Places, bool),
) {
    // Tensors lie in the order of their numbers.
    let (g_ih, others) = gradient.split_at_mut(places.range(1).start);
    let (g_hh, others) = others.split_at_mut(places.range(1).len());
    let (g_b, others) = others.split_at_mut(G);
    let (g_hy, g_by) = others.split_at_mut(places.range(3).len());
    let h = Table { numbers: numbers(states.as_flattened()), stride: G * V::LEN, columns: hidden };
    add_outer(simd, x, dz, (g_ih, set));
    add_outer(simd, h, &dz[1..], (g_hh, set));
    add_outer(simd, dy, states, (g_hy, set));
    let mut sums = [V::splat(simd, V::Elem::ZERO); G];
    for dz in dz {
        for g in 0..G {
            sums[g] = sums[g] + dz[g];
        }
    }
    for g in 0..G {
        g_b[g] = if set { sums[g] } else { g_b[g] + sums[g] };
    }
    for (l, own) in numbers_mut(g_by)[..dy.columns].iter_mut().enumerate() {
        let mut sum = V::Elem::ZERO;
        for t in 0..dz.len() {
            sum += dy.numbers[t * dy.columns + l];
        }
        *own = if set { sum } else { *own + sum };
    }
}
