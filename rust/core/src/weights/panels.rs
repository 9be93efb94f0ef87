//! Recurrent weights in the order in which the steps of a tile multiply by them.
//!
//! A block of such a product takes a few columns of the weights, row by row. In a large matrix these
//! are far apart: each is in its own cache line, and all fall into few sets of the cache. In panels
//! they are contiguous (Goto and van de Geijn, 2008, "Anatomy of High-Performance Matrix
//! Multiplication").

use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::blocks::{blocks, by_width, part as part_at};
use crate::packing::{Columns, Panel, Weight};
use crate::weights::{Layout, Role};

/// The smallest matrix, in bytes, that is worth copying: a smaller one stays in the nearest cache.
const LARGE: usize = 16 * 1024;

/// Bytes of a matrix, times the steps that multiply by it until the next update, from which copying
/// gains more than it costs.
const WORTH_COPYING: usize = 32 * 1024 * 1024;

/// Rows copied at once: one cache line of each stays in the nearest cache until all of its numbers are
/// copied.
const ROWS_AT_ONCE: usize = 8;

/// The most columns of a panel.
const MOST: usize = 12;

/// `W_hh` of each layer and direction, if it is large: for the forward pass, and transposed for the
/// backward pass if there is one.
pub(crate) struct Panels<T> {
    buffer: Aligned<T>,
    /// The most columns of a panel.
    most: usize,
    backward: bool,
    /// (tensor, start, numbers per pass) of each.
    places: Vec<(usize, usize, usize)>,
}

impl<T: Real> Panels<T> {
    /// Room for panels of `most` columns, for about `steps` steps of tiles until the next update.
    pub(crate) fn new(layout: &Layout, most: usize, steps: usize, backward: bool) -> Self {
        let (places, len) = Self::places(layout, steps, backward);
        Self { buffer: Aligned::zeros(len), most, backward, places }
    }

    /// The total size for a layout, in numbers.
    pub(crate) fn size(layout: &Layout, steps: usize, backward: bool) -> usize {
        Self::places(layout, steps, backward).1
    }

    fn places(
        layout: &Layout,
        steps: usize,
        backward: bool,
    ) -> (Vec<(usize, usize, usize)>, usize) {
        let (mut places, mut len) = (Vec::new(), 0);
        for (number, tensor) in layout.tensors().iter().enumerate() {
            let numbers = tensor.rows() * tensor.columns().len();
            let bytes = numbers * size_of::<T>();
            let worth = bytes >= LARGE && bytes.saturating_mul(steps) >= WORTH_COPYING;
            if worth && matches!(tensor.role(), Role::RecurrentWeight) {
                places.push((number, len, numbers));
                len += numbers * if backward { 2 } else { 1 };
            }
        }
        (places, len)
    }

    /// Copies the weights into the panels.
    pub(crate) fn set(&mut self, layout: &Layout, flat: &[T]) {
        let rows = layout.config().shape.hidden;
        for &(tensor, start, numbers) in &self.places {
            let weight = layout.weight(flat, tensor, (0, layout.tensors()[tensor].columns().parts));
            copy(layout, weight, rows, self.most, &mut self.buffer[start..][..numbers]);
            if self.backward {
                let panels = &mut self.buffer[start + numbers..][..numbers];
                copy_transposed(layout, weight, rows, self.most, panels);
            }
        }
    }

    /// The panels of a tensor for its parts from `first` on.
    pub(crate) fn forward(
        &self,
        layout: &Layout,
        tensor: usize,
        first: usize,
    ) -> Option<Panel<'_, T>> {
        let &(_, start, numbers) = self.places.iter().find(|(t, ..)| *t == tensor)?;
        let rows = layout.config().shape.hidden;
        let skipped = first * layout.tensors()[tensor].columns().width * rows;
        Some(Panel { numbers: &self.buffer[start..][skipped..numbers], rows, first: 0 })
    }

    /// The panels of the transposed tensor for its rows from part `first` on.
    pub(crate) fn backward(
        &self,
        layout: &Layout,
        tensor: usize,
        first: usize,
    ) -> Option<Panel<'_, T>> {
        let &(_, start, numbers) = self.places.iter().find(|(t, ..)| *t == tensor)?;
        let columns = layout.tensors()[tensor].columns();
        let numbers = &self.buffer[start + numbers..][..numbers];
        Some(Panel { numbers, rows: columns.len(), first: first * columns.width })
    }
}

/// Copies `rows` rows of weights: for each block of columns, all rows in turn.
fn copy<T: Real>(
    layout: &Layout,
    weight: Weight<'_, T>,
    rows: usize,
    most: usize,
    panels: &mut [T],
) {
    let Columns { parts, width } = weight.columns;
    let padded = layout.padded(width);
    for first in (0..rows).step_by(ROWS_AT_ONCE) {
        let count = ROWS_AT_ONCE.min(rows - first);
        for part in 0..parts {
            for (left, block) in blocks(width, most) {
                let from = &weight.rows[first * weight.stride + part * padded + left..];
                let to = &mut panels[(part * width + left) * rows + first * block..];
                by_width!(block <= MOST, J => {
                    let to = to.as_chunks_mut::<J>().0;
                    for (row, to) in to.iter_mut().take(count).enumerate() {
                        *to = *part_at(from, row * weight.stride);
                    }
                });
            }
        }
    }
}

/// Copies transposed weights: for each block of rows, all columns in turn.
fn copy_transposed<T: Real>(
    layout: &Layout,
    weight: Weight<'_, T>,
    rows: usize,
    most: usize,
    panels: &mut [T],
) {
    let Columns { parts, width } = weight.columns;
    let padded = layout.padded(width);
    for (first, block) in blocks(rows, most) {
        for part in 0..parts {
            let to = &mut panels[first * parts * width + part * width * block..];
            by_width!(block <= MOST, J => {
                let mut from: [&[T]; J] = [&[]; J];
                for j in 0..J {
                    from[j] = &weight.rows[(first + j) * weight.stride + part * padded..][..width];
                }
                let to = to.as_chunks_mut::<J>().0;
                for (column, to) in to.iter_mut().take(width).enumerate() {
                    for j in 0..J {
                        to[j] = from[j][column];
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Transposed;
    use crate::{Cell, Config, Shape};

    #[test]
    fn panels_are_the_weights_and_their_transpose() {
        let shape = Shape { input: 2, hidden: 37, output: 1 };
        let layout = Layout::new::<f64>(&Config::new(shape, Cell::Lstm)).unwrap();
        let flat: Vec<f64> = (0..layout.len()).map(|i| i as f64).collect();
        let mut transposed = Transposed::new(&layout);
        transposed.set(&layout, &flat);
        for most in [1, 3, 12] {
            let mut panels = Panels::new(&layout, most, usize::MAX, true);
            assert_eq!(Panels::<f64>::size(&layout, usize::MAX, true), 2 * 37 * 4 * 37);
            panels.set(&layout, &flat);
            for first in [0, 2] {
                let weight = layout.weight(&flat, 1, (first, 4 - first));
                let panel = panels.forward(&layout, 1, first).unwrap();
                for part in 0..4 - first {
                    for (left, width) in blocks(37, most) {
                        for (row, column) in [(0, 0), (20, width - 1), (36, 0)] {
                            let place = (part * 37 + left) * panel.rows + row * width + column;
                            let from = row * weight.stride + part * 40 + left + column;
                            assert_eq!(panel.numbers[place], weight.rows[from]);
                        }
                    }
                }
                let weight = transposed.weight(&layout, 1, first);
                let panel = panels.backward(&layout, 1, first).unwrap();
                for (left, width) in blocks(37, most) {
                    for (row, column) in [(0, 0), (60, width - 1), (73, 0)] {
                        let place = left * panel.rows + (panel.first + row) * width + column;
                        let from = row * weight.stride + left + column;
                        assert_eq!(panel.numbers[place], weight.rows[from]);
                    }
                }
            }
        }
        assert_eq!(Panels::<f64>::size(&layout, 10, true), 0);
    }
}
