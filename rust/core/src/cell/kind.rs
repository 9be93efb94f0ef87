//! [`Cell`]: the kinds of recurrent cells.

use super::elman::Elman;
use super::equations::Equations;
use super::gru::{Gru, GruResetBefore};
use super::lstm::Lstm;
use crate::activation::Activation;

/// The kind of a recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// h_t = activation(W_ih x_t + W_hh h_{t−1} + b) (Elman, 1990).
    Elman(Activation),
    /// Gated recurrent unit (Cho et al., 2014).
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

/// The constants of [`Equations`] as values.
struct Facts {
    gate_slots: &'static [usize],
    slots: usize,
    cell_state: bool,
    recurrent_bias: bool,
}

impl Facts {
    const fn of<E: Equations>() -> Self {
        Self {
            gate_slots: E::GATE_SLOTS,
            slots: E::SLOTS,
            cell_state: E::CELL_STATE,
            recurrent_bias: E::RECURRENT_BIAS.is_some(),
        }
    }
}

impl Cell {
    #[inline]
    fn facts(self) -> Facts {
        match self {
            Self::Elman(_) => const { Facts::of::<Elman>() },
            Self::Gru { reset_after: true } => const { Facts::of::<Gru>() },
            Self::Gru { reset_after: false } => const { Facts::of::<GruResetBefore>() },
            Self::Lstm => const { Facts::of::<Lstm>() },
        }
    }

    /// The gates of a unit, G.
    pub fn gates(self) -> usize {
        self.facts().gate_slots.len()
    }

    /// Whether the candidate has its own recurrent bias, `bias_hn`.
    pub fn has_recurrent_bias(self) -> bool {
        self.facts().recurrent_bias
    }

    /// Whether a unit has a cell state c beside its state h.
    pub fn has_cell_state(self) -> bool {
        self.facts().cell_state
    }

    /// The slots of a step: see [`crate::cell`].
    pub(crate) fn slots(self) -> usize {
        self.facts().slots
    }

    /// The slot of gate `gate` of `W_ih` and b, with gates numbered as users see them (r z n; i f g o).
    /// The gates of `W_hh` are in the users' order.
    pub(crate) fn gate_slot(self, gate: usize) -> usize {
        self.facts().gate_slots[gate]
    }
}
