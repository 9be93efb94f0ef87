//! [`Weights`]: the matrices of a network, or a gradient with respect to them.

use std::array;
use std::collections::BTreeMap;

use crate::error::{Result, check_shape};
use crate::lanes::Real;
use crate::lanes::matrix::{HeapMatrix, Vector};

/// The weights of a network with G gates, I inputs, H units and L outputs, or a gradient by them.
/// Gates are in PyTorch's order: r z n, or i f g o.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<const G: usize, const I: usize, const H: usize, const L: usize, T: Real> {
    /// W_ih of each gate.
    pub input: [HeapMatrix<H, I, T>; G],
    /// W_hh of each gate.
    pub recurrent: [HeapMatrix<H, H, T>; G],
    /// b of each gate.
    pub bias: [Vector<H, T>; G],
    /// b_hn of a GRU whose reset gate acts after the product; otherwise 0.
    pub recurrent_bias: Vector<H, T>,
    /// W_hy.
    pub head: HeapMatrix<L, H, T>,
    /// b_y.
    pub head_bias: Vector<L, T>,
}

impl<const G: usize, const I: usize, const H: usize, const L: usize, T: Real> Default
    for Weights<G, I, H, L, T>
{
    /// Zeros.
    fn default() -> Self {
        Self {
            input: array::from_fn(|_| HeapMatrix::default()),
            recurrent: array::from_fn(|_| HeapMatrix::default()),
            bias: [Vector::default(); G],
            recurrent_bias: Vector::default(),
            head: HeapMatrix::default(),
            head_bias: Vector::default(),
        }
    }
}

impl<const G: usize, const I: usize, const H: usize, const L: usize, T: Real>
    Weights<G, I, H, L, T>
{
    /// W_ih x + b for a gate.
    pub(super) fn input_part(&self, gate: usize, x: &Vector<I, T>) -> Vector<H, T> {
        let mut z = self.input[gate].mul_vector(x);
        z.add_scaled(T::ONE, &self.bias[gate]);
        z
    }

    /// z = W_ih x + b + W_hh h for a gate.
    pub(super) fn gate(&self, gate: usize, x: &Vector<I, T>, h: &Vector<H, T>) -> Vector<H, T> {
        let mut z = self.input_part(gate, x);
        z.add_scaled(T::ONE, &self.recurrent[gate].mul_vector(h));
        z
    }

    /// Adds `scale` times other weights: a step of gradient descent, with a negative scale.
    pub fn add_scaled(&mut self, scale: T, other: &Self) {
        for ((_, own), (_, other)) in self.tensors_mut().into_iter().zip(other.tensors()) {
            for (own, other) in own.into_iter().zip(other) {
                own.iter_mut().zip(other).for_each(|(w, &d)| *w += scale * d);
            }
        }
    }

    /// Every tensor by its name in PyTorch, row-major, as consecutive parts.
    fn tensors(&self) -> [(&'static str, Vec<&[T]>); 6] {
        [
            ("weight_ih_l0", self.input.iter().map(HeapMatrix::as_flat).collect()),
            ("weight_hh_l0", self.recurrent.iter().map(HeapMatrix::as_flat).collect()),
            ("bias_l0", self.bias.iter().map(Vector::as_slice).collect()),
            ("bias_hn_l0", vec![self.recurrent_bias.as_slice()]),
            ("head.weight", vec![self.head.as_flat()]),
            ("head.bias", vec![self.head_bias.as_slice()]),
        ]
    }

    /// [`Self::tensors`], mutable.
    fn tensors_mut(&mut self) -> [(&'static str, Vec<&mut [T]>); 6] {
        [
            ("weight_ih_l0", self.input.iter_mut().map(HeapMatrix::as_flat_mut).collect()),
            ("weight_hh_l0", self.recurrent.iter_mut().map(HeapMatrix::as_flat_mut).collect()),
            ("bias_l0", self.bias.iter_mut().map(|b| &mut b.0[..]).collect()),
            ("bias_hn_l0", vec![&mut self.recurrent_bias.0[..]]),
            ("head.weight", vec![self.head.as_flat_mut()]),
            ("head.bias", vec![&mut self.head_bias.0[..]]),
        ]
    }

    /// Every tensor by its name, row-major in PyTorch's shape; `bias_hn_l0` only if the cell has it.
    pub(super) fn state_dict(&self, recurrent_bias: bool) -> BTreeMap<String, Vec<T>> {
        let tensors = self.tensors().into_iter();
        let known = tensors.filter(|(name, _)| recurrent_bias || *name != "bias_hn_l0");
        known.map(|(name, parts)| (name.to_owned(), parts.concat())).collect()
    }

    /// Replaces all tensors or none: [`Error::Shape`](crate::Error::Shape) if one is missing, has
    /// another size, or has a name that this network does not know.
    pub(super) fn load_state_dict(
        &mut self,
        state: &BTreeMap<String, Vec<T>>,
        recurrent_bias: bool,
    ) -> Result<()> {
        let expected = self.state_dict(recurrent_bias);
        for name in state.keys().filter(|name| !expected.contains_key(*name)) {
            check_shape(false, name, "a tensor of this network", "none of that name")?;
        }
        for (name, own) in &expected {
            let got = state.get(name).map_or(0, Vec::len);
            check_shape(got == own.len(), name, format_args!("{} numbers", own.len()), got)?;
        }
        for (name, parts) in self.tensors_mut() {
            let mut values = state.get(name).into_iter().flatten();
            for own in parts.into_iter().flatten() {
                *own = values.next().copied().unwrap_or_default();
            }
        }
        Ok(())
    }
}
