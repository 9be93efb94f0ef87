//! Online gradient descent: the gradient of one short sequence of a simple network, in one go.
//!
//! With one sequence at a time, each step waits for the one before, and what is done beside the
//! waiting costs next to nothing; calls, copies and buffers between the phases of a [`super::Pass`]
//! do. So the products by the inputs are made within the steps, and so are the gradient's. Sums
//! forward run in the order that [`crate::packing`] gives.

use super::head::LossOf;
use super::model::{Aim, Model, Places};
use super::pass::window;
use crate::activation::Activation;
use crate::blocks::{blocks, by_width, load_each, part};
use crate::cell::Cell;
use crate::data::Piece;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::matrix::Vector;
use crate::packing::{ByUnit, MOST_LANES, Packing};
use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd, numbers, numbers_mut};

/// Groups of a state, at most: more leave registers short.
const MOST_GROUPS: usize = 2;
/// Steps whose inputs are multiplied at once, at most.
const MOST_STEPS: usize = 6;

/// Buffers for sequences of a few steps: rows of one group or two, `(steps, H)`.
pub(crate) struct Online<V> {
    states: Vec<V>,
    /// Pre-activations.
    slots: Vec<V>,
    /// Pre-activations of the outputs side by side, `(steps · L,)`, then the derivatives by them;
    /// their labels and these labels' weights.
    logits: Vec<V>,
    labels: Vec<V>,
    weights: Vec<V>,
    /// `W_hh` the other way round.
    transposed: Vec<V>,
}

impl<T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Online<V> {
    /// Whether a group is a few registers. Otherwise this way is not compiled: it is large, and what
    /// it saves would not be seen.
    const IN_REGISTERS: bool = S::PRODUCT.0 > 1;

    /// Buffers, if all sequences can be computed so: a single layer of simple units in one
    /// direction, few of them, few steps, no dropout, and a loss of each output by itself.
    pub(crate) fn new(simd: S, layout: &Layout, steps: usize, loss: Loss) -> Option<Self> {
        let config = layout.config();
        let groups = ByUnit::groups(config.shape.hidden, V::LEN);
        let fits = Self::IN_REGISTERS
            && matches!(config.cell, Cell::Elman(_))
            && config.layers == 1
            && !config.bidirectional
            && !config.pools()
            && config.recurrent_dropout == 0.0
            && groups <= MOST_GROUPS
            && steps <= window(layout.len())
            && loss != Loss::CrossEntropy;
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
        model: Model<'_, T>,
        (piece, steps): (Piece<'_, T>, usize),
        aim: &Aim<T>,
        (gradient, places, set): (&mut [V], &Places, bool),
    ) -> f64 {
        let task = OneSequence { buffers: self, model, piece, steps, aim, gradient, places, set };
        match ByUnit::groups(model.config.shape.hidden, V::LEN) {
            _ if !Self::IN_REGISTERS => unreachable!("there are no buffers then"),
            1 => simd.vectorize(InGroups::<1, V>(task)),
            _ => simd.vectorize(InGroups::<MOST_GROUPS, V>(task)),
        }
    }
}

/// What is to be computed.
struct OneSequence<'a, V: Lanes> {
    buffers: &'a mut Online<V>,
    model: Model<'a, V::Elem>,
    piece: Piece<'a, V::Elem>,
    steps: usize,
    aim: &'a Aim<V::Elem>,
    gradient: &'a mut [V],
    places: &'a Places,
    set: bool,
}

/// The same, with the number of groups that a state takes known to the compiler.
struct InGroups<'a, const G: usize, V: Lanes>(OneSequence<'a, V>);

impl<const G: usize, S: Simd, V: Lanes<Simd = S>> Kernel<S> for InGroups<'_, G, V> {
    type Output = f64;

    #[inline(always)]
    fn run(mut self, simd: S) -> f64 {
        let Cell::Elman(activation) = self.0.model.config.cell else {
            unreachable!("the only cell that there are buffers for")
        };
        self.forward(simd, activation);
        let sum = self.loss(simd);
        if self.0.aim.gradient {
            self.transpose(simd);
            self.backward(simd, activation);
        }
        sum
    }
}

impl<const G: usize, T: Real, V: Lanes<Elem = T>> InGroups<'_, G, V> {
    /// States and the outputs' pre-activations.
    #[inline(always)]
    fn forward(&mut self, simd: V::Simd, activation: Activation) {
        let Self(OneSequence { buffers, model, piece, steps, .. }) = self;
        let shape = model.config.shape;
        let (w_ih, w_hh, bias) = (model.tensor(0), model.tensor(1), model.tensor(2));
        let (w_hy, b_y) = (model.tensor(3), model.tensor(4));
        let zero = V::splat(simd, T::ZERO);
        // Seen from the right place on, a 1 at any lane among zeros.
        let mut places = [T::ZERO; 2 * MOST_LANES];
        places[V::LEN - 1] = T::ONE;
        let mut state = [zero; G];
        let steps = *steps;
        for (top, height) in blocks(steps, MOST_STEPS) {
            let x = &piece.features[top * shape.input..(top + height) * shape.input];
            let slots = &mut buffers.slots[top * G..(top + height) * G];
            by_width!(height <= MOST_STEPS, J => {
                multiply::<G, J, V>(simd, (x, shape.input), (w_ih, bias), slots);
            });
            for t in top..top + height {
                let mut sums = Vector(*part::<V, G>(&buffers.slots, t * G));
                if t > 0 {
                    add_product(simd, (&state, shape.hidden), w_hh, &mut sums);
                    buffers.slots[t * G..(t + 1) * G].copy_from_slice(&sums.0);
                }
                let z = sums.0;
                activation.apply(&z, &mut sums.0);
                ByUnit::clear_padding(simd, &mut sums.0, shape.hidden);
                state = sums.0;
                buffers.states[t * G..(t + 1) * G].copy_from_slice(&state);
                let rows = w_hy.chunks_exact(G * V::LEN).zip(b_y).take(shape.output);
                for (l, (row, &b)) in rows.enumerate() {
                    let (row, mut sum): (Vector<G, V>, V) = (load_each(simd, row), zero);
                    for g in 0..G {
                        sum = state[g].fma(row.0[g], sum);
                    }
                    let logit = V::splat(simd, sum.reduce_add() + b);
                    // Lane by lane into the group: it is soon to be read as a whole, which would
                    // have to wait for numbers written one by one.
                    let at = t * shape.output + l;
                    let own = &mut buffers.logits[at / V::LEN];
                    let is_own = V::load(simd, &places[V::LEN - 1 - at % V::LEN..][..V::LEN]);
                    *own = V::select(is_own.eq(zero), *own, logit);
                }
            }
        }
    }

    /// The loss, of as many outputs at once as there are lanes.
    #[inline(always)]
    fn loss(&mut self, simd: V::Simd) -> f64 {
        let Self(OneSequence { buffers, model, piece, .. }) = self;
        let count = piece.labels.len();
        let groups = count.div_ceil(V::LEN);
        let rows = [
            (&mut buffers.labels, piece.labels, T::from_f64(f64::NAN)),
            (&mut buffers.weights, piece.weights, T::ZERO),
        ];
        for (own, numbers, fill) in rows {
            for (group, numbers) in own.iter_mut().zip(numbers.chunks(V::LEN)) {
                *group = V::load_partial(simd, numbers, fill);
            }
        }
        let used = if piece.weights.is_empty() { 0 } else { groups };
        simd.vectorize(LossOf {
            loss: self.0.aim.loss,
            activation: model.config.output_activation,
            outputs: 1,
            logits: &mut buffers.logits[..groups],
            labels: &buffers.labels[..groups],
            weights: &buffers.weights[..used],
            scale: self.0.aim.scale,
            several: true,
        })
    }

    /// The rows of `W_hh` become columns, square block by square block.
    #[inline(always)]
    fn transpose(&mut self, simd: V::Simd) {
        let Self(OneSequence { buffers, model, .. }) = self;
        let rows = model.tensor(1);
        for top in 0..G {
            let rows = &rows[top * V::LEN * G * V::LEN..];
            for left in 0..G {
                let mut block = V::splat(simd, T::ZERO).block();
                for (group, row) in block.as_mut().iter_mut().zip(rows.chunks_exact(G * V::LEN)) {
                    *group = V::load(simd, &row[left * V::LEN..(left + 1) * V::LEN]);
                }
                V::transpose(&mut block);
                let columns = buffers.transposed[left * V::LEN * G..].chunks_exact_mut(G);
                for (column, &group) in columns.zip(block.as_ref()) {
                    column[top] = group;
                }
            }
        }
    }

    /// The way back, and the gradient with it.
    #[inline(always)]
    fn backward(&mut self, simd: V::Simd, activation: Activation) {
        let Self(OneSequence { buffers, model, piece, steps, gradient, places, .. }) = self;
        let shape = model.config.shape;
        let (zero, w_hy) = (V::splat(simd, T::ZERO), model.tensor(3));
        let mut set = self.0.set;
        // Tensors lie in the order of their numbers.
        let (g_ih, others) = gradient.split_at_mut(places.range(1).start);
        let (g_hh, others) = others.split_at_mut(places.range(1).len());
        let (g_b, others) = others.split_at_mut(places.range(2).len());
        let (g_hy, g_by) = others.split_at_mut(places.range(3).len());
        if set && *steps == 1 {
            g_hh.fill(zero);
        }
        let (dys, transposed) = (numbers(&buffers.logits), numbers(&buffers.transposed));
        let mut sums = Vector([zero; G]);
        let mut after = [zero; G];
        for t in (0..*steps).rev() {
            let dy = &dys[t * shape.output..(t + 1) * shape.output];
            let state = *part::<V, G>(&buffers.states, t * G);
            let z = *part::<V, G>(&buffers.slots, t * G);
            let mut d: Vector<G, V> = Vector([zero; G]);
            let rows = w_hy.chunks_exact(G * V::LEN).zip(g_hy.as_chunks_mut::<G>().0);
            for ((&dy, sum), (row, own)) in dy.iter().zip(numbers_mut(g_by)).zip(rows) {
                *sum = if set { dy } else { *sum + dy };
                let dy = V::splat(simd, dy);
                d.add_scaled(dy, &load_each(simd, row));
                for g in 0..G {
                    own[g] = if set { state[g] * dy } else { state[g].fma(dy, own[g]) };
                }
            }
            if t + 1 < *steps {
                add_product(simd, (&after, shape.hidden), transposed, &mut d);
            }
            after = z;
            activation.derive(&d.0, &mut after, &state);
            for g in 0..G {
                sums.0[g] = sums.0[g] + after[g];
            }
            let x = &piece.features[t * shape.input..(t + 1) * shape.input];
            add_outer(simd, x, &after, g_ih, set);
            if t > 0 {
                let before = &numbers(&buffers.states[(t - 1) * G..t * G])[..shape.hidden];
                add_outer(simd, before, &after, g_hh, set);
                set = false;
            }
        }
        for (own, sum) in g_b.iter_mut().zip(sums.0) {
            *own = if self.0.set { sum } else { *own + sum };
        }
    }
}

/// `out[t] = bias + W x[t]` for J steps: as many chains of sums at once.
#[inline(always)]
fn multiply<const G: usize, const J: usize, V: Lanes>(
    simd: V::Simd,
    (x, inputs): (&[V::Elem], usize),
    (rows, bias): (&[V::Elem], &[V::Elem]),
    out: &mut [V],
) {
    let mut steps: [&[V::Elem]; J] = [&[]; J];
    for t in 0..J {
        steps[t] = &x[t * inputs..(t + 1) * inputs];
    }
    let mut sums = [load_each::<V, G>(simd, bias); J];
    for (k, row) in rows.chunks_exact(G * V::LEN).take(inputs).enumerate() {
        let row = load_each(simd, row);
        for t in 0..J {
            sums[t].add_scaled(V::splat(simd, steps[t][k]), &row);
        }
    }
    for t in 0..J {
        out[t * G..(t + 1) * G].copy_from_slice(&sums[t].0);
    }
}

/// `sums += W a` for the first `width` numbers of `a`: even and odd ones in a chain each.
#[inline(always)]
fn add_product<const G: usize, V: Lanes>(
    simd: V::Simd,
    (a, width): (&[V; G], usize),
    rows: &[V::Elem],
    sums: &mut Vector<G, V>,
) {
    let mut odd = Vector([V::splat(simd, V::Elem::ZERO); G]);
    for g in 0..G {
        let rows = &rows[g * V::LEN * G * V::LEN..];
        let own = (width - g * V::LEN).min(V::LEN);
        let mut pairs = rows.chunks_exact(2 * G * V::LEN);
        for k in (1..own).step_by(2) {
            let pair = pairs.next().expect("two rows");
            sums.add_scaled(a[g].broadcast(k - 1), &load_each(simd, &pair[..G * V::LEN]));
            odd.add_scaled(a[g].broadcast(k), &load_each(simd, &pair[G * V::LEN..]));
        }
        if own % 2 == 1 {
            let row = &rows[(own - 1) * G * V::LEN..];
            sums.add_scaled(a[g].broadcast(own - 1), &load_each(simd, row));
        }
    }
    for g in 0..G {
        sums.0[g] = sums.0[g] + odd.0[g];
    }
}

/// `products[i] += a[i] b`, or `=`
#[inline(always)]
fn add_outer<const G: usize, V: Lanes>(
    simd: V::Simd,
    a: &[V::Elem],
    b: &[V; G],
    products: &mut [V],
    set: bool,
) {
    let rows = a.iter().zip(products.as_chunks_mut::<G>().0);
    if set {
        for (&a, own) in rows {
            for g in 0..G {
                own[g] = b[g] * V::splat(simd, a);
            }
        }
    } else {
        for (&a, own) in rows {
            for g in 0..G {
                own[g] = b[g].fma(V::splat(simd, a), own[g]);
            }
        }
    }
}
