//! Initial weights. They are drawn in double precision and rounded to the network's type, so that `f32`
//! and `f64` networks with the same seed start from the same numbers.

use std::iter::repeat_n;

use crate::context::CancelCheck;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Rng};
use crate::weights::{Layout, Role};

/// The approximate cost of drawing a number, in multiply-adds.
const DRAW_WORK: usize = 16;

/// How the weights of a new network are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// PyTorch's: weights and biases U(−1/√H, 1/√H).
    Pytorch,
    /// Weights U(±√(6 / (fan in + fan out))), biases 0 (Glorot and Bengio, 2010).
    GlorotUniform,
    /// Recurrent weights from a random orthogonal matrix (Saxe, McClelland and Ganguli, 2014), the
    /// others as in [`Self::GlorotUniform`].
    Orthogonal,
    /// Weights and biases U(−1, 1).
    Uniform,
}

impl Init {
    /// The initialiser with this name; [`Error::Parameter`] if there is none.
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

    /// The initial values of a tensor, row-major in the shape that users see. [`Error::Cancelled`] if
    /// the caller asks to stop.
    ///
    /// Fans and orthogonal matrices are per gate.
    pub(crate) fn values(
        self,
        layout: &Layout,
        tensor: usize,
        seed: u64,
        cancel: &mut CancelCheck<'_>,
    ) -> Result<Box<dyn Iterator<Item = f64>>> {
        let mut rng = Rng::new(seed, Purpose::Weights, tensor as u64);
        let hidden = layout.config().shape.hidden;
        let gates = layout.config().cell.gates();
        let tensor = &layout.tensors()[tensor];
        let count: usize = tensor.dimensions().iter().product();
        let bound = match (self, tensor.role(), tensor.dimensions()) {
            (Self::Pytorch, ..) => 1.0 / (hidden as f64).sqrt(),
            (Self::Uniform, ..) => 1.0,
            (_, _, [_]) => return Ok(Box::new(repeat_n(0.0, count))),
            (Self::Orthogonal, Role::RecurrentWeight, _) => {
                let drawn = (0..gates).map(|_| orthogonal(hidden, &mut rng, cancel));
                let drawn = drawn.collect::<Result<Vec<_>>>()?;
                return Ok(Box::new(drawn.into_iter().flatten()));
            }
            (_, Role::HeadWeight, fans) => glorot(fans[0] + fans[1]),
            (_, _, fans) => glorot(fans[0] / gates + fans[1]),
        };
        cancel.spend(count.saturating_mul(DRAW_WORK))?;
        Ok(Box::new((0..count).map(move |_| bound * (2.0 * rng.uniform() - 1.0))))
    }
}

fn glorot(fans: usize) -> f64 {
    (6.0 / fans as f64).sqrt()
}

/// A uniformly distributed `n × n` orthogonal matrix: the Q of a Gaussian matrix's QR decomposition, by
/// the Gram-Schmidt process, run twice so that it is orthogonal up to rounding.
fn orthogonal(n: usize, rng: &mut Rng, cancel: &mut CancelCheck<'_>) -> Result<Vec<f64>> {
    let mut q: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
    for row in 0..n {
        cancel.spend(4 * row * n)?;
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
    Ok(q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Cell, Config, Shape};

    fn layout() -> Layout {
        let shape = Shape { input: 7, hidden: 25, output: 3 };
        let config = Config::new(shape, Cell::Elman(Activation::Tanh));
        Layout::new::<f64>(&config).unwrap()
    }

    const WEIGHT_IH: usize = 0;
    const WEIGHT_HH: usize = 1;
    const BIAS: usize = 2;

    fn drawn(init: Init, tensor: usize, seed: u64) -> Vec<f64> {
        let mut go_on = || true;
        let cancel = &mut CancelCheck::new(&mut go_on);
        init.values(&layout(), tensor, seed, cancel).unwrap().collect()
    }

    fn largest(values: &[f64]) -> f64 {
        values.iter().fold(0.0, |m, v| f64::max(m, v.abs()))
    }

    #[test]
    fn bounds_are_those_of_the_literature() {
        for (init, bound) in [
            (Init::Pytorch, 0.2),
            (Init::Uniform, 1.0),
            (Init::GlorotUniform, (6.0f64 / 32.0).sqrt()),
        ] {
            let largest = largest(&drawn(init, WEIGHT_IH, 1));
            assert!(largest <= bound && largest > 0.95 * bound, "{init:?}: {largest}");
        }
        assert_eq!(largest(&drawn(Init::GlorotUniform, BIAS, 1)), 0.0);
        assert!(largest(&drawn(Init::Pytorch, BIAS, 1)) > 0.1);
    }

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let q = drawn(Init::Orthogonal, WEIGHT_HH, 5);
        let n = 25;
        for i in 0..n {
            for j in 0..n {
                let dot: f64 = (0..n).map(|k| q[i * n + k] * q[j * n + k]).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-14, "{i} {j} {dot}");
            }
        }
    }

    #[test]
    fn seeds_and_tensors_have_streams_of_their_own() {
        let draw = |tensor, seed| drawn(Init::Uniform, tensor, seed);
        assert_eq!(draw(BIAS, 4), draw(BIAS, 4));
        assert_ne!(draw(BIAS, 4), draw(BIAS, 5));
        assert_ne!(draw(BIAS, 4), draw(WEIGHT_HH, 4)[..25]);
    }
}
