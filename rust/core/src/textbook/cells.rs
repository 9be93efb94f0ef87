//! The equations of the cells at one step: gates, state, and their derivatives.
//!
//! Here z_k = W_ih,k x + b_k + W_hh,k h₋₁ for gate k; see [`Cell`] for the sources.

use std::array;

use super::weights::Weights;
use crate::activation::Activation;
use crate::cell::Cell;
use crate::lanes::Real;
use crate::lanes::matrix::Vector;

/// The state of the units: h, and the cell state c of an LSTM.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State<const H: usize, T: Real = f32> {
    /// The state that the outputs are read from.
    pub h: Vector<H, T>,
    /// The cell state; 0 if the cell has none.
    pub c: Vector<H, T>,
}

/// The values of a step that the backward pass needs.
#[derive(Clone, Debug)]
pub struct Step<const G: usize, const H: usize, T: Real> {
    /// The gates after their activations; for an Elman unit, z.
    pub(super) gates: [Vector<H, T>; G],
    /// For a GRU, q: W_hn h₋₁ + b_hn or r ∘ h₋₁.
    pub(super) q: Vector<H, T>,
    pub(super) before: State<H, T>,
    pub(super) after: State<H, T>,
}

/// The derivatives of the loss at one step.
pub struct Derivatives<const G: usize, const H: usize, T: Real> {
    /// By z_k.
    pub(super) input: [Vector<H, T>; G],
    /// By the product of W_hh,k; differs from `input` if a reset gate is in between.
    pub(super) recurrent: [Vector<H, T>; G],
    /// The vector that each W_hh,k multiplied.
    pub(super) factors: [Vector<H, T>; G],
    /// Whether that was r ∘ h₋₁ rather than h₋₁, so that `before` includes what comes through W_hh,k.
    pub(super) through_reset: [bool; G],
    /// By the state before the step, without the part that comes through W_hh.
    pub(super) before: State<H, T>,
    /// By b_hn.
    pub(super) recurrent_bias: Vector<H, T>,
}

/// A cell with G gates.
pub trait Equations<const G: usize>: Copy + Default {
    /// The cell of this kind, if it is supported.
    fn of(cell: Cell) -> Option<Self>;

    /// The kind of the cell.
    fn cell(self) -> Cell;

    /// One step from the state `before`.
    fn forward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<G, I, H, L, T>,
        x: &Vector<I, T>,
        before: State<H, T>,
    ) -> Step<G, H, T>;

    /// From the derivative by the state after a step to the derivatives of the step.
    fn backward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<G, I, H, L, T>,
        step: &Step<G, H, T>,
        after: State<H, T>,
    ) -> Derivatives<G, H, T>;
}

/// h = activation(z), the simple recurrent unit of Elman (1990).
#[derive(Clone, Copy, Debug)]
pub struct Elman(pub Activation);

impl Default for Elman {
    fn default() -> Self {
        Self(Activation::Tanh)
    }
}

impl Equations<1> for Elman {
    fn of(cell: Cell) -> Option<Self> {
        if let Cell::Elman(activation) = cell { Some(Self(activation)) } else { None }
    }

    fn cell(self) -> Cell {
        Cell::Elman(self.0)
    }

    fn forward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<1, I, H, L, T>,
        x: &Vector<I, T>,
        before: State<H, T>,
    ) -> Step<1, H, T> {
        let z = w.gate(0, x, &before.h);
        let h = each([&z], |[z]| self.0.value(z));
        let after = State { h, ..State::default() };
        Step { gates: [z], q: Vector::default(), before, after }
    }

    fn backward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        _: &Weights<1, I, H, L, T>,
        step: &Step<1, H, T>,
        after: State<H, T>,
    ) -> Derivatives<1, H, T> {
        let slope = |[dh, z, h]: [T; 3]| dh * self.0.derivative(z, h);
        let dz = each([&after.h, &step.gates[0], &step.after.h], slope);
        Derivatives::of([dz], step)
    }
}

/// The gated recurrent unit of Cho et al. (2014).
#[derive(Clone, Copy, Debug)]
pub struct GruUnit {
    /// Whether the reset gate acts after the product by W_hn, as in cuDNN and PyTorch.
    pub reset_after: bool,
}

impl Default for GruUnit {
    fn default() -> Self {
        Self { reset_after: true }
    }
}

impl Equations<3> for GruUnit {
    fn of(cell: Cell) -> Option<Self> {
        if let Cell::Gru { reset_after } = cell { Some(Self { reset_after }) } else { None }
    }

    fn cell(self) -> Cell {
        Cell::Gru { reset_after: self.reset_after }
    }

    fn forward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<3, I, H, L, T>,
        x: &Vector<I, T>,
        before: State<H, T>,
    ) -> Step<3, H, T> {
        let h = &before.h;
        let [r, z] = [0, 1].map(|gate| each([&w.gate(gate, x, h)], |[z]| sigmoid(z)));
        let w_hn = &w.recurrent[2];
        let (q, recurrent) = if self.reset_after {
            // q = W_hn h + b_hn, n = tanh(W_in x + b_n + r ∘ q)
            let q = each([&w_hn.mul_vector(h), &w.recurrent_bias], |[q, b]| q + b);
            (q, each([&r, &q], |[r, q]| r * q))
        } else {
            // q = r ∘ h, n = tanh(W_in x + b_n + W_hn q)
            let q = each([&r, h], |[r, h]| r * h);
            (q, w_hn.mul_vector(&q))
        };
        let n = each([&w.input_part(2, x), &recurrent], |[a, b]| (a + b).tanh());
        // h = (1 − z) ∘ n + z ∘ h₋₁
        let h = each([&z, &n, h], |[z, n, h]| (T::ONE - z) * n + z * h);
        Step { gates: [r, z, n], q, before, after: State { h, ..State::default() } }
    }

    fn backward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<3, I, H, L, T>,
        step: &Step<3, H, T>,
        after: State<H, T>,
    ) -> Derivatives<3, H, T> {
        let (dh, h, [r, z, n], q) = (&after.h, &step.before.h, &step.gates, &step.q);
        let dn = each([dh, z, n], |[dh, z, n]| dh * (T::ONE - z) * (T::ONE - n * n));
        let dz = each([dh, h, n, z], |[dh, h, n, z]| dh * (h - n) * z * (T::ONE - z));
        let kept = each([dh, z], |[dh, z]| dh * z);
        let by_gate = |d: &Vector<H, T>, by: &Vector<H, T>| {
            each([d, by, r], |[d, by, r]| d * by * r * (T::ONE - r))
        };
        if self.reset_after {
            let dq = each([&dn, r], |[dn, r]| dn * r);
            let dr = by_gate(&dn, q);
            return Derivatives {
                recurrent: [dr, dz, dq],
                recurrent_bias: dq,
                before: State { h: kept, ..State::default() },
                ..Derivatives::of([dr, dz, dn], step)
            };
        }
        // Through W_hn to q = r ∘ h₋₁, and from there to r and h₋₁.
        let dq = w.recurrent[2].mul_transposed(&dn);
        let dr = by_gate(&dq, h);
        let before = each([&kept, &dq, r], |[kept, dq, r]| kept + dq * r);
        let mut derivatives = Derivatives::of([dr, dz, dn], step);
        (derivatives.factors[2], derivatives.through_reset[2]) = (*q, true);
        derivatives.before.h = before;
        derivatives
    }
}

/// The long short-term memory of Hochreiter and Schmidhuber (1997), with the forget gate of Gers,
/// Schmidhuber and Cummins (2000).
#[derive(Clone, Copy, Debug, Default)]
pub struct LstmUnit;

impl Equations<4> for LstmUnit {
    fn of(cell: Cell) -> Option<Self> {
        (cell == Cell::Lstm).then_some(Self)
    }

    fn cell(self) -> Cell {
        Cell::Lstm
    }

    fn forward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        w: &Weights<4, I, H, L, T>,
        x: &Vector<I, T>,
        before: State<H, T>,
    ) -> Step<4, H, T> {
        let z: [Vector<H, T>; 4] = array::from_fn(|gate| w.gate(gate, x, &before.h));
        let [i, f, o] = [0, 1, 3].map(|gate| each([&z[gate]], |[z]| sigmoid(z)));
        let g = each([&z[2]], |[z]| z.tanh());
        // c = f ∘ c₋₁ + i ∘ g, h = o ∘ tanh(c)
        let c = each([&f, &before.c, &i, &g], |[f, c, i, g]| f * c + i * g);
        let h = each([&o, &c], |[o, c]| o * c.tanh());
        Step { gates: [i, f, g, o], q: Vector::default(), before, after: State { h, c } }
    }

    fn backward<const I: usize, const H: usize, const L: usize, T: Real>(
        self,
        _: &Weights<4, I, H, L, T>,
        step: &Step<4, H, T>,
        after: State<H, T>,
    ) -> Derivatives<4, H, T> {
        let ([i, f, g, o], dh) = (&step.gates, &after.h);
        let tanh_c = each([&step.after.c], |[c]| c.tanh());
        let dc = each([&after.c, dh, o, &tanh_c], |[dc, dh, o, t]| dc + dh * o * (T::ONE - t * t));
        let by_gate = |d: &Vector<H, T>, by: &Vector<H, T>, gate: &Vector<H, T>| {
            each([d, by, gate], |[d, by, gate]| d * by * gate * (T::ONE - gate))
        };
        let di = by_gate(&dc, g, i);
        let df = by_gate(&dc, &step.before.c, f);
        let dg = each([&dc, i, g], |[dc, i, g]| dc * i * (T::ONE - g * g));
        let d_o = by_gate(dh, &tanh_c, o);
        let before = State { c: each([&dc, f], |[dc, f]| dc * f), ..State::default() };
        Derivatives { before, ..Derivatives::of([di, df, dg, d_o], step) }
    }
}

impl<const G: usize, const H: usize, T: Real> Derivatives<G, H, T> {
    /// If z_k is a plain sum of products, all of W_hh multiplies h₋₁.
    fn of(dz: [Vector<H, T>; G], step: &Step<G, H, T>) -> Self {
        Self {
            input: dz,
            recurrent: dz,
            factors: [step.before.h; G],
            through_reset: [false; G],
            before: State::default(),
            recurrent_bias: Vector::default(),
        }
    }
}

/// Applies `f` elementwise to some vectors.
fn each<const N: usize, const H: usize, T: Real>(
    vectors: [&Vector<H, T>; N],
    f: impl Fn([T; N]) -> T,
) -> Vector<H, T> {
    let mut result = Vector::default();
    for (j, own) in result.0.iter_mut().enumerate() {
        *own = f(vectors.map(|vector| vector.0[j]));
    }
    result
}

fn sigmoid<T: Real>(z: T) -> T {
    Activation::Sigmoid.value(z)
}
