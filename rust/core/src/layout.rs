//! Where each weight lives: one flat buffer, rows padded to whole groups of lanes.
//!
//! Users see PyTorch's shapes, `(outputs, inputs)`. The engine keeps weights that are multiplied
//! by an input *input-major*, one padded row of hidden units per input, so that a product is a sum
//! of rows and needs no horizontal sums. This file alone knows both views.

use std::ops::Range;

use crate::activation::Activation;
use crate::error::{Result, check_shape};
use crate::real::Real;

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Features per timestep, `I`.
    pub input: usize,
    /// Hidden units, `H`.
    pub hidden: usize,
    /// Outputs per timestep, `L`.
    pub output: usize,
}

/// The tensors of a network, in their order in the flat buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tensor {
    /// `weight_ih_l0 (H, I)`
    WeightIh,
    /// `weight_hh_l0 (H, H)`
    WeightHh,
    /// `bias_l0 (H,)`
    Bias,
    /// `head.weight (L, H)`
    HeadWeight,
    /// `head.bias (L,)`
    HeadBias,
}

impl Tensor {
    /// Every tensor.
    pub const ALL: [Self; 5] =
        [Self::WeightIh, Self::WeightHh, Self::Bias, Self::HeadWeight, Self::HeadBias];

    /// The name in a state dict.
    pub fn name(self) -> &'static str {
        match self {
            Self::WeightIh => "weight_ih_l0",
            Self::WeightHh => "weight_hh_l0",
            Self::Bias => "bias_l0",
            Self::HeadWeight => "head.weight",
            Self::HeadBias => "head.bias",
        }
    }

    /// `[rows, columns]` of a matrix or `[length]` of a vector, as users see it.
    pub fn dimensions(self, shape: Shape) -> Vec<usize> {
        match self {
            Self::WeightIh => vec![shape.hidden, shape.input],
            Self::WeightHh => vec![shape.hidden, shape.hidden],
            Self::Bias => vec![shape.hidden],
            Self::HeadWeight => vec![shape.output, shape.hidden],
            Self::HeadBias => vec![shape.output],
        }
    }
}

/// The place of every tensor in the flat buffer of a network of one shape.
#[derive(Clone, Debug)]
pub struct Layout {
    shape: Shape,
    stride: usize,
    starts: [usize; 6],
}

impl Layout {
    /// The layout for elements of type `T`; none if there are more weights than addresses.
    pub fn new<T: Real>(shape: Shape) -> Option<Self> {
        let padded = |n: usize| n.checked_next_multiple_of(T::LANES);
        let stride = padded(shape.hidden)?;
        let sizes = [
            shape.input.checked_mul(stride)?,
            shape.hidden.checked_mul(stride)?,
            stride,
            shape.output.checked_mul(stride)?,
            padded(shape.output)?,
        ];
        let mut starts = [0usize; 6];
        for (i, &size) in sizes.iter().enumerate() {
            starts[i + 1] = starts[i].checked_add(size)?;
        }
        Some(Self { shape, stride, starts })
    }

    /// Elements in the flat buffer, padding included.
    pub fn len(&self) -> usize {
        self.starts[5]
    }

    /// Whether the buffer is empty; it never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sizes that this is the layout of.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Hidden units of a padded row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Where `tensor` lies in the flat buffer.
    pub fn range(&self, tensor: Tensor) -> Range<usize> {
        let i = tensor as usize;
        self.starts[i]..self.starts[i + 1]
    }

    /// Copies `tensor` out of the flat buffer, row-major in the shape that users see.
    pub fn unpack<T: Real>(&self, flat: &[T], tensor: Tensor) -> Vec<T> {
        let part = &flat[self.range(tensor)];
        self.positions(tensor).map(|i| part[i]).collect()
    }

    /// Copies `values`, in the shape that users see, into the flat buffer.
    pub fn pack<T: Real>(&self, flat: &mut [T], tensor: Tensor, values: &[T]) -> Result<()> {
        let dimensions = tensor.dimensions(self.shape);
        let expected: usize = dimensions.iter().product();
        check_shape(
            values.len() == expected,
            tensor.name(),
            format_args!("{dimensions:?}"),
            format_args!("{} numbers", values.len()),
        )?;
        let part = &mut flat[self.range(tensor)];
        for (position, &value) in self.positions(tensor).zip(values) {
            part[position] = value;
        }
        Ok(())
    }

    /// The position within its tensor's range of each element, in the users' row-major order.
    fn positions(&self, tensor: Tensor) -> impl Iterator<Item = usize> {
        let Shape { input, hidden, output } = self.shape;
        // (rows, columns) as users see them, and how far a step along each moves in the buffer
        let (rows, columns, by_row, by_column) = match tensor {
            Tensor::WeightIh => (hidden, input, 1, self.stride),
            Tensor::WeightHh => (hidden, hidden, 1, self.stride),
            Tensor::Bias => (1, hidden, 0, 1),
            Tensor::HeadWeight => (output, hidden, self.stride, 1),
            Tensor::HeadBias => (1, output, 0, 1),
        };
        (0..rows).flat_map(move |r| (0..columns).map(move |c| r * by_row + c * by_column))
    }
}

/// The weights of a network where they lie, cut once per call.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a, T> {
    pub(crate) shape: Shape,
    pub(crate) activation: Activation,
    pub(crate) output_activation: Activation,
    /// The length of a padded row.
    pub(crate) stride: usize,
    /// `W_ih`, input-major: I rows.
    pub(crate) ih: &'a [T],
    /// `W_hh`, input-major: H rows.
    pub(crate) hh: &'a [T],
    /// `b`, one padded row.
    pub(crate) bias: &'a [T],
    /// `W_hy`, L rows.
    pub(crate) head: &'a [T],
    /// `b_y`, L numbers.
    pub(crate) head_bias: &'a [T],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_are_inverse_and_disjoint() {
        let shape = Shape { input: 3, hidden: 5, output: 2 };
        let layout = Layout::new::<f64>(shape).unwrap();
        let mut flat = vec![0.0; layout.len()];
        let mut next = 1.0;
        let mut tensors = Vec::new();
        for tensor in Tensor::ALL {
            let n: usize = tensor.dimensions(shape).iter().product();
            let values: Vec<f64> = (0..n).map(|i| next + i as f64).collect();
            next += n as f64;
            layout.pack(&mut flat, tensor, &values).unwrap();
            tensors.push((tensor, values));
        }
        for (tensor, values) in tensors {
            assert_eq!(layout.unpack(&flat, tensor), values, "{}", tensor.name());
        }
        let used = flat.iter().filter(|v| **v != 0.0).count();
        assert_eq!(used, 3 * 5 + 5 * 5 + 5 + 2 * 5 + 2);
    }

    #[test]
    fn weights_lie_input_major() {
        let shape = Shape { input: 2, hidden: 3, output: 1 };
        let layout = Layout::new::<f64>(shape).unwrap();
        let mut flat = vec![0.0; layout.len()];
        layout.pack(&mut flat, Tensor::WeightIh, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(&flat[..3], &[1.0, 3.0, 5.0]);
        assert_eq!(&flat[layout.stride()..layout.stride() + 3], &[2.0, 4.0, 6.0]);
    }

    #[test]
    fn a_wrong_size_names_the_tensor() {
        let layout = Layout::new::<f32>(Shape { input: 2, hidden: 3, output: 1 }).unwrap();
        let mut flat = vec![0.0; layout.len()];
        let error = layout.pack(&mut flat, Tensor::WeightHh, &[0.0; 6]).unwrap_err();
        assert_eq!(error.to_string(), "weight_hh_l0: expected [3, 3], got 6 numbers");
    }
}
