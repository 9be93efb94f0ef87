//! Gradients of batches, in whichever layout suits their size, and the updates between them.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | what an engine can do; which one a call gets |
//! | `single.rs` | small batches: one sequence after the other, on the calling thread |
//! | `tiled.rs` | the others: tiles, shared out among threads |
//! | `worker.rs` | what one thread does |

mod single;
mod tiled;
mod worker;

use crate::aligned::Aligned;
use crate::context::{Context, check_memory};
use crate::data::Sequences;
use crate::error::Result;
use crate::loss::LabelCount;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::real::Real;
use crate::simd::Simd;
use crate::train::Objective;
pub(crate) use worker::{Problem, TileWorker, UnitWorker};

/// Computes gradients with weights of its own, and changes them.
pub(crate) trait Engine<T> {
    /// `Σ loss` of a batch and its divisor; the derivative of their quotient is kept, if it is
    /// asked for. Both are 0 if the batch has no label. The sequences `upcoming` are likely to come
    /// next, and are brought into the cache meanwhile.
    fn batch(&mut self, batch: &[u32], upcoming: &[u32], gradient: bool) -> Result<(f64, f64)>;

    /// The gradient that was kept last, in the layout's order.
    fn gradient(&self) -> &[T];

    /// Lets an optimiser change the weights by that gradient; see [`Network::update`].
    fn update(&mut self, optimizer: &mut dyn Optimizer<T>) -> bool;

    /// Takes the last update back.
    fn undo(&mut self);
}

/// What is to be done with an engine.
pub(crate) trait Job<T: Real> {
    /// What it returns.
    type Output;

    /// Does it.
    fn run(self, engine: &mut impl Engine<T>) -> Self::Output;
}

/// What counting the labels of a sequence counts for in the pulse, about.
const LABEL_WORK: usize = 32;

/// Fewest sequences for which tiles are faster, which give each sequence a lane.
pub(crate) fn fewest_tiled<T: Real>() -> usize {
    T::LANES / 4
}

/// Runs `job` with an engine for batches of up to `batch_size` sequences of `data`, which has
/// `network`'s weights; leaves the engine's weights in `network`.
pub(crate) fn with_engine<T: Real, S: Simd, J: Job<T>>(
    simd: S,
    network: &mut Network<T>,
    data: &Sequences<'_, T>,
    (objective, batch_size): (Objective, usize),
    context: &mut Context<'_>,
    job: J,
) -> Result<J::Output> {
    let (batch_size, layout) = (batch_size.min(data.len()), network.layout());
    if batch_size < fewest_tiled::<T>() {
        check_memory::<T>(
            UnitWorker::<T, S>::size(layout, data.longest(), true) + 2 * layout.len(),
        )?;
        let mut engine = single::Single::new(
            simd,
            network,
            data,
            objective,
            (&mut context.pulse, context.level),
        );
        return Ok(job.run(&mut engine));
    }
    let worker = TileWorker::<T, S>::size(layout, data.tile_steps(T::LANES), true);
    let shards = tiled::most_shards(layout, data, batch_size);
    check_memory::<T>(context.threads.min(shards) * worker + (2 + shards) * layout.len())?;
    Ok(tiled::with_tiled(simd, network, data, (objective, batch_size), context, job))
}

/// The divisor of a batch's loss, and the scale of its derivative.
fn divisor<T: Real>(
    network: &Network<T>,
    data: &Sequences<'_, T>,
    batch: &[u32],
    objective: Objective,
) -> (f64, T) {
    let count = LabelCount::of(data, batch);
    let divisor = count.divisor(objective.reduction, network.config().shape.output);
    (divisor, T::from_f64(1.0 / divisor))
}

/// `W_hh` row-major in padded rows, for the way back.
fn transpose_hh<T: Real>(network: &Network<T>, hh_t: &mut Aligned<T>) {
    let weights = network.weights();
    let (stride, hidden) = (weights.stride, weights.shape.hidden);
    for (k, row) in weights.hh.chunks_exact(stride).enumerate() {
        for (&w, to) in row[..hidden].iter().zip(hh_t.chunks_exact_mut(stride)) {
            to[k] = w;
        }
    }
}
