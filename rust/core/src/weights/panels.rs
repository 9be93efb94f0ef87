//! Recurrent weights in the order in which the steps of a tile multiply by them.
//!
//! A block of such a product takes a few columns of the weights, of one row after the other. In the
//! rows of a large matrix these are far apart: each is a cache line of its own, and all of them fall
//! into few sets of the cache. In panels they lie side by side (Goto and van de Geijn, 2008, "Anatomy
//! of High-Performance Matrix Multiplication").

use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::blocks::blocks;
use crate::packing::{Panel, Weight};
use crate::weights::{Layout, Role, Transposed};

/// Bytes of a matrix, at least, that is worth a copy: a smaller one stays in the nearest cache.
const WORTH_COPYING: usize = 16 * 1024;

/// Rows that are copied at once: one line of each stays in the nearest cache while all of its numbers
/// are taken.
const ROWS_AT_ONCE: usize = 8;

/// `W_hh` of each layer and direction, for the forward pass and transposed for the backward pass, as
/// far as it is large.
pub(crate) struct Panels<T> {
    buffer: Aligned<T>,
    /// Columns of a panel, at most.
    most: usize,
    /// (tensor, start of the forward pass's, start of the backward pass's) of each.
    starts: Vec<(usize, usize, usize)>,
}

impl<T: Real> Panels<T> {
    /// Room for those of panels of `most` columns.
    pub(crate) fn new(layout: &Layout, most: usize) -> Self {
        let (starts, len) = Self::starts(layout);
        Self { buffer: Aligned::zeros(len), most, starts }
    }

    /// The numbers that it has for a layout.
    pub(crate) fn size(layout: &Layout) -> usize {
        Self::starts(layout).1
    }

    fn starts(layout: &Layout) -> (Vec<(usize, usize, usize)>, usize) {
        let (mut starts, mut len) = (Vec::new(), 0);
        for (number, tensor) in layout.tensors().iter().enumerate() {
            let numbers = tensor.rows() * tensor.columns().len();
            let large = numbers * size_of::<T>() >= WORTH_COPYING;
            if large && matches!(tensor.role(), Role::RecurrentWeight) {
                starts.push((number, len, len + numbers));
                len += 2 * numbers;
            }
        }
        (starts, len)
    }

    /// Takes the weights over.
    pub(crate) fn set(&mut self, layout: &Layout, flat: &[T], transposed: &Transposed<T>) {
        for &(tensor, forward, backward) in &self.starts {
            let (rows, parts) =
                (layout.config().shape.hidden, layout.tensors()[tensor].columns().parts);
            let weight = layout.weight(flat, tensor, (0, parts));
            copy(weight, rows, self.most, layout, &mut self.buffer[forward..backward]);
            let weight = transposed.weight(layout, tensor, 0);
            let numbers = backward - forward;
            copy(weight, rows * parts, self.most, layout, &mut self.buffer[backward..][..numbers]);
        }
    }

    /// Those for the parts of a tensor from `first` on.
    pub(crate) fn forward(
        &self,
        layout: &Layout,
        tensor: usize,
        first: usize,
    ) -> Option<Panel<'_, T>> {
        let &(_, start, end) = self.starts.iter().find(|(t, ..)| *t == tensor)?;
        let rows = layout.config().shape.hidden;
        let skipped = first * layout.tensors()[tensor].columns().width * rows;
        Some(Panel { numbers: &self.buffer[start + skipped..end], rows, first: 0 })
    }

    /// Those of the transposed tensor for its rows from part `first` on.
    pub(crate) fn backward(
        &self,
        layout: &Layout,
        tensor: usize,
        first: usize,
    ) -> Option<Panel<'_, T>> {
        let &(_, forward, start) = self.starts.iter().find(|(t, ..)| *t == tensor)?;
        let columns = layout.tensors()[tensor].columns();
        let numbers = &self.buffer[start..][..start - forward];
        Some(Panel { numbers, rows: columns.len(), first: first * columns.width })
    }
}

/// Copies weights of so many rows: of each block of columns all rows, one after the other.
fn copy<T: Real>(weight: Weight<'_, T>, rows: usize, most: usize, layout: &Layout, to: &mut [T]) {
    let (width, padded) = (weight.columns.width, layout.padded(weight.columns.width));
    for first_row in (0..rows).step_by(ROWS_AT_ONCE) {
        let end_row = rows.min(first_row + ROWS_AT_ONCE);
        for part in 0..weight.columns.parts {
            for (left, block) in blocks(width, most) {
                let start = (part * width + left) * rows;
                for row in first_row..end_row {
                    let from = &weight.rows[row * weight.stride + part * padded + left..][..block];
                    to[start + row * block..][..block].copy_from_slice(from);
                }
            }
        }
    }
}
