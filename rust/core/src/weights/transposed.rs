//! Transposed weights, for the backward pass.

use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::packing::{Columns, Weight};
use crate::weights::{Layout, Role};

/// The recurrent weights and the input weights of upper layers, transposed for the backward pass: one
/// row per number of the gates, in the order of the slots.
pub(crate) struct Transposed<T> {
    buffer: Aligned<T>,
    /// (tensor, start) of each.
    starts: Vec<(usize, usize)>,
}

impl<T: Real> Transposed<T> {
    /// Zeros for every weight of the layout that is needed.
    pub(crate) fn new(layout: &Layout) -> Self {
        let (starts, len) = Self::starts(layout);
        Self { buffer: Aligned::zeros(len), starts }
    }

    /// The total size for a layout, in numbers.
    pub(crate) fn size(layout: &Layout) -> usize {
        Self::starts(layout).1
    }

    /// (tensor, start) of each weight that is needed, and their total size.
    fn starts(layout: &Layout) -> (Vec<(usize, usize)>, usize) {
        let (mut starts, mut len) = (Vec::new(), 0);
        for (number, tensor) in layout.tensors().iter().enumerate() {
            if Self::is_wanted(layout, number) {
                starts.push((number, len));
                len += tensor.columns().len() * layout.stride(Self::columns(layout, number));
            }
        }
        (starts, len)
    }

    fn is_wanted(layout: &Layout, tensor: usize) -> bool {
        match layout.tensors()[tensor].role() {
            Role::RecurrentWeight => true,
            Role::InputWeight => tensor >= layout.direction(1, 0).start,
            _ => false,
        }
    }

    /// The columns of a transposed tensor's rows: the directions of a state, or just one.
    fn columns(layout: &Layout, tensor: usize) -> Columns {
        let hidden = layout.config().shape.hidden;
        Columns::new(layout.tensors()[tensor].rows() / hidden, hidden)
    }

    /// Transposes the weights into the buffer.
    pub(crate) fn set(&mut self, layout: &Layout, flat: &[T]) {
        for &(tensor, start) in &self.starts {
            let (columns, own) =
                (layout.tensors()[tensor].columns(), Self::columns(layout, tensor));
            let (stride, own_stride) = (layout.stride(columns), layout.stride(own));
            let padded = layout.padded(columns.width);
            let rows = flat[layout.range(tensor)].chunks_exact(stride);
            for (k, row) in rows.enumerate() {
                let place = k / own.width * padded + k % own.width;
                let mut to = start + place;
                for part in row.chunks_exact(padded).take(columns.parts) {
                    for &w in &part[..columns.width] {
                        self.buffer[to] = w;
                        to += own_stride;
                    }
                }
            }
        }
    }

    /// The rows for parts `first..` of a tensor.
    pub(crate) fn weight(&self, layout: &Layout, tensor: usize, first: usize) -> Weight<'_, T> {
        let (_, start) = *self.starts.iter().find(|(t, _)| *t == tensor).expect("a wanted tensor");
        let columns = Self::columns(layout, tensor);
        let stride = layout.stride(columns);
        let skipped = first * layout.tensors()[tensor].columns().width * stride;
        Weight { rows: &self.buffer[start + skipped..], stride, columns, panel: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Config, Shape};

    #[test]
    fn transposed_weights_are_the_weights() {
        let shape = Shape { input: 2, hidden: 3, output: 1 };
        let config = Config { layers: 2, ..Config::new(shape, Cell::Lstm) };
        let layout = Layout::new::<f64>(&config).unwrap();
        let flat: Vec<f64> = (0..layout.len()).map(|i| i as f64).collect();
        let mut transposed = Transposed::new(&layout);
        transposed.set(&layout, &flat);
        // The tensors of the second layer: W_ih and W_hh.
        for tensor in [3, 4] {
            let weight = layout.weight(&flat, tensor, (0, 4));
            let back = transposed.weight(&layout, tensor, 0);
            for k in 0..3 {
                for (gate, unit) in [(0, 0), (2, 1), (3, 2)] {
                    let forward = weight.rows[k * weight.stride + gate * 8 + unit];
                    assert_eq!(back.rows[(gate * 3 + unit) * back.stride + k], forward);
                }
            }
        }
    }
}
