//! Recurrent cells: what happens to a unit between the products by weights.
//!
//! A step of a cell has *slots*, rows of one number per unit. The products by `W_ih` and `W_hh` fill
//! some of them with pre-activations; `Equations::forward` puts there what the way back needs;
//! and `Equations::backward` puts there the derivatives of the pre-activations. So one buffer
//! serves all three, and gates that lie in slots side by side are multiplied at once:
//!
//! | cell | slots | from the inputs | from the state |
//! |---|---|---|---|
//! | Elman | z | 0 | 0 |
//! | LSTM | i f g o, tanh c | 0..4 | 0..4 |
//! | GRU | n r z, n's recurrent part | 0..3 | 1..4 |
//! | GRU, reset before | n r z, r ∘ h | 0..3 | 1..3; 0 from r ∘ h |
//!
//! Each cell is written once, for rows of groups, whatever the lanes are.

mod elman;
mod gru;
mod lstm;

pub(crate) use elman::Elman;
pub(crate) use gru::{Gru, GruResetBefore};
pub(crate) use lstm::Lstm;

use crate::activation::Activation;
use crate::simd::Lanes;

/// The kind of a recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// h_t = activation(W_ih x_t + W_hh h_{t−1} + b) (Elman, 1990).
    Elman(Activation),
    /// Gated recurrent unit; see [`Cell::Gru`]'s field for its two variants.
    Gru {
        /// Whether the reset gate acts after the product by `W_hh`, as in cuDNN and PyTorch:
        /// n = tanh(W_in x + b_n + r ∘ (W_hn h + b_hn)). Otherwise as in Cho et al. (2014):
        /// n = tanh(W_in x + b_n + W_hn (r ∘ h)).
        reset_after: bool,
    },
    /// Long short-term memory with a forget gate and without peepholes (Hochreiter and Schmidhuber,
    /// 1997; Gers, Schmidhuber and Cummins, 2000).
    Lstm,
}

impl Cell {
    /// The gates of a unit, G.
    pub fn gates(self) -> usize {
        match self {
            Self::Elman(_) => 1,
            Self::Gru { .. } => 3,
            Self::Lstm => 4,
        }
    }

    /// Whether the candidate has a recurrent bias of its own, `bias_hn`.
    pub fn has_candidate_bias(self) -> bool {
        self == Self::Gru { reset_after: true }
    }

    /// Whether a unit carries a cell state c beside its state h.
    pub fn has_cell_state(self) -> bool {
        self == Self::Lstm
    }

    /// Rows of numbers that a step keeps.
    pub(crate) fn slots(self) -> usize {
        match self {
            Self::Elman(_) => Elman::SLOTS,
            Self::Gru { .. } => Gru::SLOTS,
            Self::Lstm => Lstm::SLOTS,
        }
    }

    /// Where gate number `gate` of `W_ih` and b lies among its padded parts. Gates are numbered as
    /// users see them (r z n; i f g o); those of `W_hh` lie in that order.
    pub(crate) fn input_part(self, gate: usize) -> usize {
        match self {
            // n r z: beside one another in the slots.
            Self::Gru { .. } => (gate + 1) % 3,
            Self::Elman(_) | Self::Lstm => gate,
        }
    }
}

/// Runs `$body` with `$equations` bound to the equations of a [`Cell`].
macro_rules! with_equations {
    ($cell:expr, $equations:ident => $body:expr) => {
        match $cell {
            $crate::cell::Cell::Elman(activation) => {
                let $equations = $crate::cell::Elman { activation };
                $body
            }
            $crate::cell::Cell::Gru { reset_after: true } => {
                let $equations = $crate::cell::Gru;
                $body
            }
            $crate::cell::Cell::Gru { reset_after: false } => {
                let $equations = $crate::cell::GruResetBefore;
                $body
            }
            $crate::cell::Cell::Lstm => {
                let $equations = $crate::cell::Lstm;
                $body
            }
        }
    };
}
pub(crate) use with_equations;

/// The state of units at one step, or its derivative; `c` is empty but for the LSTM.
#[derive(Clone, Copy)]
pub(crate) struct State<'a, V> {
    pub(crate) h: &'a [V],
    pub(crate) c: &'a [V],
}

/// The same, to be written.
pub(crate) struct StateMut<'a, V> {
    pub(crate) h: &'a mut [V],
    pub(crate) c: &'a mut [V],
}

/// The equations of a cell at one step, for rows of groups; a row has as many groups as `h`.
///
/// Hot code: loops, not closures (see [`crate::simd`]).
pub(crate) trait Equations: Copy + Send + Sync {
    /// Gates in `W_ih`, which fill as many slots from 0 on.
    const GATES: usize;
    /// Rows in `slots`.
    const SLOTS: usize;
    /// The slots that `W_hh h` goes to: the first, and how many.
    const RECURRENT: (usize, usize);
    /// Whether units have a cell state.
    const CELL_STATE: bool = false;
    /// Whether one more gate is filled from r ∘ h in place of h; see [`Self::reset`].
    const RESET_BEFORE: bool = false;

    /// From pre-activations to the state after the step, and to what the way back needs.
    fn forward<V: Lanes>(self, slots: &mut [V], before: State<'_, V>, after: StateMut<'_, V>);

    /// From the derivative `d` of the loss by the state after the step to that by the
    /// pre-activations, in `slots`; and, in `d`, to that by the state before it, without what
    /// comes through the weights.
    fn backward<V: Lanes>(
        self,
        slots: &mut [V],
        before: State<'_, V>,
        after: State<'_, V>,
        d: StateMut<'_, V>,
    );

    /// Where the reset gate acts before the product: r ∘ h into the last slot.
    #[inline(always)]
    fn reset<V: Lanes>(self, slots: &mut [V], h: &[V]) {
        let _ = (slots, h);
    }

    /// Its way back: given the derivative `dq` by r ∘ h, sets that by the reset gate, and leaves
    /// that by h in `dq`.
    #[inline(always)]
    fn reset_backward<V: Lanes>(self, slots: &mut [V], h: &[V], dq: &mut [V]) {
        let _ = (slots, h, dq);
    }
}
