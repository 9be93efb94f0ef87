//! Where each weight is stored: one flat buffer, with rows padded to whole groups of lanes.
//!
//! Users see PyTorch's names and shapes, `(outputs, inputs)`. The engine stores weights that multiply
//! an input *input-major*, one row of padded gates per input, so that a product is a sum of rows and
//! needs no horizontal sums. Only this file knows both views.

use std::ops::Range;

use crate::config::{Config, Shape};
use crate::error::{Result, check_shape};
use crate::lanes::Real;
use crate::packing::{Columns, Weight};

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `weight_ih (G·H, inputs)`
    InputWeight,
    /// `weight_hh (G·H, H)`
    RecurrentWeight,
    /// `bias (G·H,)`
    Bias,
    /// `bias_hn (H,)` of a GRU with the reset gate after the product.
    RecurrentBias,
    /// `head.weight (L, D·H)`
    HeadWeight,
    /// `head.bias (L,)`
    HeadBias,
}

/// A tensor: its name and shape for users, and its place in the engine's buffer.
#[derive(Clone, Debug)]
pub struct Tensor {
    name: String,
    role: Role,
    dimensions: Vec<usize>,
    start: usize,
    end: usize,
    /// Its rows in the buffer, and their columns.
    rows: usize,
    columns: Columns,
}

impl Tensor {
    /// Its name in a state dict, as in PyTorch.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// `[rows, columns]` of a matrix or `[length]` of a vector, as users see it.
    pub fn dimensions(&self) -> &[usize] {
        &self.dimensions
    }

    pub(crate) fn columns(&self) -> Columns {
        self.columns
    }

    /// Rows in the buffer.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

/// Where every tensor is stored in a network's flat buffer.
#[derive(Clone, Debug)]
pub struct Layout {
    config: Config,
    lanes: usize,
    tensors: Vec<Tensor>,
    len: usize,
}

/// Rows of at least this many groups are kept an odd number of groups apart.
const LARGE_ROW: usize = 4;

impl Layout {
    /// The layout for elements of type `T`; `None` if the size of the weights overflows.
    pub fn new<T: Real>(config: &Config) -> Option<Self> {
        let mut layout = Self { config: *config, lanes: T::LANES, tensors: Vec::new(), len: 0 };
        let Shape { input, hidden, output } = config.shape;
        let (directions, gates) = (config.directions(), config.cell.gates());
        let state = directions.checked_mul(hidden)?;
        for layer in 0..config.layers {
            let inputs = if layer == 0 { input } else { state };
            for direction in 0..directions {
                let suffix = format!("l{layer}{}", if direction == 0 { "" } else { "_reverse" });
                let gate_columns = Columns::new(gates, hidden);
                layout.add(
                    format!("weight_ih_{suffix}"),
                    Role::InputWeight,
                    inputs,
                    gate_columns,
                )?;
                layout.add(
                    format!("weight_hh_{suffix}"),
                    Role::RecurrentWeight,
                    hidden,
                    gate_columns,
                )?;
                layout.add(format!("bias_{suffix}"), Role::Bias, 1, gate_columns)?;
                if config.cell.has_recurrent_bias() {
                    let columns = Columns::new(1, hidden);
                    layout.add(format!("bias_hn_{suffix}"), Role::RecurrentBias, 1, columns)?;
                }
            }
        }
        // The start of a category's row is stored in 32 bits.
        let looked_up = config.categories.columns + config.statics.categories.columns > 0;
        if looked_up && u32::try_from(layout.range(0).len()).is_err() {
            return None;
        }
        let state = Columns::new(directions, hidden);
        layout.add("head.weight".into(), Role::HeadWeight, output, state)?;
        layout.add("head.bias".into(), Role::HeadBias, 1, Columns::new(1, output))?;
        Some(layout)
    }

    fn add(&mut self, name: String, role: Role, rows: usize, columns: Columns) -> Option<()> {
        let numbers = columns.parts.checked_mul(columns.width)?;
        let dimensions = match role {
            Role::InputWeight | Role::RecurrentWeight => vec![numbers, rows],
            Role::HeadWeight => vec![rows, numbers],
            Role::Bias | Role::RecurrentBias | Role::HeadBias => vec![numbers],
        };
        let padded = columns.width.checked_next_multiple_of(self.lanes)?;
        padded.checked_mul(columns.parts)?.checked_add(self.lanes)?;
        let size = self.stride(columns).checked_mul(rows)?;
        let start = self.len;
        let end = start.checked_add(size)?;
        self.len = end;
        self.tensors.push(Tensor { name, role, dimensions, start, end, rows, columns });
        Some(())
    }

    /// Elements in the flat buffer, padding included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The elements that a step multiplies or looks up: all except the rows of other categories.
    pub(crate) fn used_by_a_step(&self) -> usize {
        let Config { categories, statics, .. } = &self.config;
        let all = [categories, &statics.categories];
        let rows: usize = all.iter().map(|c| c.levels - c.columns).sum();
        let stride = self.stride(Columns::new(self.config.cell.gates(), self.config.shape.hidden));
        self.len - rows * stride * self.config.directions()
    }

    /// Whether the buffer is empty; it never is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The configuration that this layout is for.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All tensors, in the order of the buffer.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The numbers of the tensors of one layer and direction: input weight, recurrent weight, bias, and
    /// the recurrent bias if there is one.
    pub(crate) fn direction(&self, layer: usize, direction: usize) -> Range<usize> {
        let each = 3 + usize::from(self.config.cell.has_recurrent_bias());
        let first = (layer * self.config.directions() + direction) * each;
        first..first + each
    }

    /// The number of the tensor `head.weight`; `head.bias` is the next.
    pub(crate) fn head(&self) -> usize {
        self.tensors.len() - 2
    }

    /// The range of tensor number `tensor` in the flat buffer.
    pub fn range(&self, tensor: usize) -> Range<usize> {
        let Tensor { start, end, .. } = self.tensors[tensor];
        start..end
    }

    /// The elements of a padded part. Avoids a division, which is slow: lanes are a power of two.
    #[inline(always)]
    pub(crate) fn padded(&self, width: usize) -> usize {
        (width + self.lanes - 1) & !(self.lanes - 1)
    }

    /// The elements from one padded row to the next. A product reads a few columns of many rows: with
    /// an even number of cache lines in between, they would fall into few sets of the cache.
    pub(crate) fn stride(&self, columns: Columns) -> usize {
        let groups = (columns.parts * self.padded(columns.width)) >> self.lanes.trailing_zeros();
        let even = groups.is_multiple_of(2) && groups >= LARGE_ROW;
        (groups + usize::from(even)) * self.lanes
    }

    /// Parts `first..first + parts` of a tensor, in the form that products take.
    pub(crate) fn weight<'a, T>(
        &self,
        flat: &'a [T],
        tensor: usize,
        (first, parts): (usize, usize),
    ) -> Weight<'a, T> {
        let columns = self.tensors[tensor].columns;
        let padded = self.padded(columns.width);
        Weight {
            rows: &flat[self.range(tensor)][first * padded..],
            stride: self.stride(columns),
            columns: Columns { parts, ..columns },
            panel: None,
        }
    }

    /// Copies a tensor out of the flat buffer, row-major in the shape that users see.
    pub fn unpack<T: Real>(&self, flat: &[T], tensor: usize) -> Vec<T> {
        let part = &flat[self.range(tensor)];
        // Not collected: the iterator does not know its length, so the vector would grow to twice the
        // size.
        let mut values = Vec::with_capacity(self.tensors[tensor].dimensions.iter().product());
        values.extend(self.positions(tensor).map(|i| part[i]));
        values
    }

    /// Copies `values`, in the shape that users see, into the flat buffer.
    pub fn pack<T: Real>(&self, flat: &mut [T], tensor: usize, values: &[T]) -> Result<()> {
        let Tensor { name, dimensions, .. } = &self.tensors[tensor];
        let expected: usize = dimensions.iter().product();
        check_shape(
            values.len() == expected,
            name,
            format_args!("{dimensions:?}"),
            format_args!("{} numbers", values.len()),
        )?;
        self.put(flat, tensor, values.iter().copied());
        Ok(())
    }

    /// [`Self::pack`] from an iterator, which yields as many values as the tensor has.
    pub(crate) fn put<T>(
        &self,
        flat: &mut [T],
        tensor: usize,
        values: impl IntoIterator<Item = T>,
    ) {
        let part = &mut flat[self.range(tensor)];
        for (position, value) in self.positions(tensor).zip(values) {
            part[position] = value;
        }
    }

    /// The position within its tensor's range of each element, in the users' row-major order.
    fn positions(&self, tensor: usize) -> impl Iterator<Item = usize> {
        let Tensor { role, rows, columns, .. } = self.tensors[tensor];
        let (cell, stride) = (self.config.cell, self.stride(columns));
        let padded = self.padded(columns.width);
        // The position in a row of the buffer of number i of a row as users see it.
        let place = move |i: usize| {
            let (part, number) = (i / columns.width, i % columns.width);
            let part = match role {
                Role::InputWeight | Role::Bias => cell.gate_slot(part),
                _ => part,
            };
            part * padded + number
        };
        let input_major = matches!(role, Role::InputWeight | Role::RecurrentWeight);
        let (outer, inner) =
            if input_major { (columns.len(), rows) } else { (rows, columns.len()) };
        (0..outer).flat_map(move |a| {
            (0..inner).map(move |b| {
                let (row, i) = if input_major { (b, a) } else { (a, b) };
                row * stride + place(i)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Cell};

    #[test]
    fn packing_and_unpacking_are_inverse_and_disjoint() {
        for cell in [Cell::Lstm, Cell::Gru { reset_after: true }, Cell::Elman(Activation::Tanh)] {
            let shape = Shape { input: 3, hidden: 5, output: 2 };
            let config = Config { layers: 2, bidirectional: true, ..Config::new(shape, cell) };
            let layout = Layout::new::<f64>(&config).unwrap();
            let mut flat = vec![0.0; layout.len()];
            let mut next = 1.0;
            let mut tensors = Vec::new();
            for (number, tensor) in layout.tensors().iter().enumerate() {
                let n: usize = tensor.dimensions().iter().product();
                let values: Vec<f64> = (0..n).map(|i| next + i as f64).collect();
                next += n as f64;
                layout.pack(&mut flat, number, &values).unwrap();
                tensors.push(values);
            }
            for (number, values) in tensors.iter().enumerate() {
                assert_eq!(&layout.unpack(&flat, number), values);
            }
            assert_eq!(flat.iter().filter(|v| **v != 0.0).count() as f64, next - 1.0);
        }
    }

    #[test]
    fn names_and_shapes_are_those_of_pytorch() {
        let shape = Shape { input: 3, hidden: 4, output: 2 };
        let config = Config {
            layers: 2,
            bidirectional: true,
            ..Config::new(shape, Cell::Gru { reset_after: true })
        };
        let layout = Layout::new::<f32>(&config).unwrap();
        let shown: Vec<String> =
            layout.tensors().iter().map(|t| format!("{} {:?}", t.name(), t.dimensions())).collect();
        assert_eq!(shown[0], "weight_ih_l0 [12, 3]");
        assert_eq!(shown[3], "bias_hn_l0 [4]");
        assert_eq!(shown[5], "weight_hh_l0_reverse [12, 4]");
        assert_eq!(shown[8], "weight_ih_l1 [12, 8]");
        assert_eq!(shown[16..], ["head.weight [2, 8]", "head.bias [2]"]);
    }

    #[test]
    fn weights_lie_input_major() {
        let shape = Shape { input: 2, hidden: 3, output: 1 };
        let config = Config::new(shape, Cell::Elman(Activation::Tanh));
        let layout = Layout::new::<f64>(&config).unwrap();
        let mut flat = vec![0.0; layout.len()];
        layout.pack(&mut flat, 0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(&flat[..3], &[1.0, 3.0, 5.0]);
        assert_eq!(&flat[8..11], &[2.0, 4.0, 6.0]);
    }

    #[test]
    fn a_wrong_size_names_the_tensor() {
        let shape = Shape { input: 2, hidden: 3, output: 1 };
        let layout = Layout::new::<f32>(&Config::new(shape, Cell::Lstm)).unwrap();
        let mut flat = vec![0.0; layout.len()];
        let error = layout.pack(&mut flat, 1, &[0.0; 6]).unwrap_err();
        assert_eq!(error.to_string(), "weight_hh_l0: expected [12, 3], got 6 numbers");
    }
}
