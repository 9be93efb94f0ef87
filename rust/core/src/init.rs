//! Initial weights. Values are drawn in double precision and rounded to the network's type, so
//! an `f32` and an `f64` network of one seed start from the same numbers.

use crate::error::{Error, Result};
use crate::layout::{Shape, Tensor};
use crate::rng::{Purpose, Rng};

/// How the weights of a new network are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// PyTorch's: weights and biases U(−1/√H, 1/√H).
    Pytorch,
    /// Weights U(±√(6 / (fan in + fan out))), biases 0 (Glorot and Bengio, 2010).
    GlorotUniform,
    /// Recurrent weights a random orthogonal matrix (Saxe, McClelland and Ganguli, 2014), the
    /// others as [`Self::GlorotUniform`].
    Orthogonal,
    /// Weights and biases U(−1, 1).
    Uniform,
}

impl Init {
    /// The initialiser of that name; [`Error::Parameter`] if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "pytorch" => Ok(Self::Pytorch),
            "glorot_uniform" => Ok(Self::GlorotUniform),
            "orthogonal" => Ok(Self::Orthogonal),
            "uniform" => Ok(Self::Uniform),
            _ => Err(Error::Parameter {
                what: "init",
                expected: "one of pytorch, glorot_uniform, orthogonal, uniform",
                got: format!("{name:?}"),
            }),
        }
    }

    /// The initial values of `tensor`, row-major in the shape that users see.
    pub fn values(self, tensor: Tensor, shape: Shape, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, Purpose::Weights, tensor as u64);
        let dimensions = tensor.dimensions(shape);
        let mut uniform = |bound: f64| -> Vec<f64> {
            let count = dimensions.iter().product();
            (0..count).map(|_| bound * (2.0 * rng.uniform() - 1.0)).collect()
        };
        match (self, dimensions.as_slice()) {
            (Self::Pytorch, _) => uniform(1.0 / (shape.hidden as f64).sqrt()),
            (Self::Uniform, _) => uniform(1.0),
            (_, [length]) => vec![0.0; *length],
            (Self::Orthogonal, _) if tensor == Tensor::WeightHh => {
                orthogonal(shape.hidden, &mut rng)
            }
            (_, matrix) => uniform((6.0 / matrix.iter().sum::<usize>() as f64).sqrt()),
        }
    }
}

/// An `n × n` orthogonal matrix, uniform over all of them: the Q of a Gaussian matrix's QR
/// decomposition, by the Gram-Schmidt process run twice for orthogonality to rounding.
fn orthogonal(n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut q: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
    for row in 0..n {
        let (done, rest) = q.split_at_mut(row * n);
        let current = &mut rest[..n];
        for _ in 0..2 {
            for earlier in done.chunks_exact(n) {
                let along: f64 = current.iter().zip(earlier).map(|(a, b)| a * b).sum();
                current.iter_mut().zip(earlier).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = current.iter().map(|a| a * a).sum::<f64>().sqrt();
        current.iter_mut().for_each(|a| *a /= norm);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { input: 7, hidden: 25, output: 3 };

    fn largest(values: &[f64]) -> f64 {
        values.iter().fold(0.0, |m, v| f64::max(m, v.abs()))
    }

    #[test]
    fn bounds_are_those_of_the_literature() {
        let weights = |init: Init| init.values(Tensor::WeightIh, SHAPE, 1);
        for (init, bound) in [
            (Init::Pytorch, 0.2),
            (Init::Uniform, 1.0),
            (Init::GlorotUniform, (6.0f64 / 32.0).sqrt()),
        ] {
            let largest = largest(&weights(init));
            assert!(largest <= bound && largest > 0.95 * bound, "{init:?}: {largest}");
        }
        assert_eq!(largest(&Init::GlorotUniform.values(Tensor::Bias, SHAPE, 1)), 0.0);
        assert!(largest(&Init::Pytorch.values(Tensor::Bias, SHAPE, 1)) > 0.1);
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let q = Init::Orthogonal.values(Tensor::WeightHh, SHAPE, 5);
        let n = SHAPE.hidden;
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = (0..n).map(|k| q[i * n + k] * q[j * n + k]).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-14, "{i} {j} {dot}");
            }
        }
    }

    #[test]
    fn seeds_and_tensors_have_streams_of_their_own() {
        let draw = |tensor, seed| Init::Uniform.values(tensor, SHAPE, seed);
        assert_eq!(draw(Tensor::Bias, 4), draw(Tensor::Bias, 4));
        assert_ne!(draw(Tensor::Bias, 4), draw(Tensor::Bias, 5));
        assert_ne!(draw(Tensor::Bias, 4), draw(Tensor::WeightHh, 4)[..25]);
    }
}
