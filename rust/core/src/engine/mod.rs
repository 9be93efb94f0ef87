//! Gradients of batches, in whichever layout suits their size, and the updates between them.
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | what an engine can do; which one a call gets |
//! | `carry.rs` | states between the windows of a sequence |
//! | `single.rs` | small batches: one sequence after the other, on the calling thread |
//! | `tiled.rs` | the others: tiles, shared out among threads |
//! | `worker.rs` | what one thread does |

mod carry;
mod single;
mod tiled;
mod worker;

use crate::bptt::Masks;
use crate::context::{Context, check_memory};
use crate::data::Sequences;
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::{Clip, Optimizer};
use crate::plan::Segment;
use crate::real::Real;
use crate::reduction::LabelWeight;
use crate::simd::Simd;
use crate::train::Objective;
use crate::transposed::Transposed;
pub(crate) use carry::Carry;
pub(crate) use worker::{Needs, Problem, TileWorker, UnitWorker};

/// What is asked of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Whether the derivative is, or the loss alone.
    pub(crate) gradient: bool,
    /// Dropout, if there is to be any.
    pub(crate) masks: Option<Masks>,
    /// The steps that are looked at, (from, how many), if it is not all: the states at their
    /// beginning are those that the last call left.
    pub(crate) window: Option<(usize, usize)>,
}

/// Computes gradients with weights of its own, and changes them.
pub(crate) trait Engine<T> {
    /// `Σ loss` of a batch and its divisor; the derivative of their quotient is kept, if it is
    /// asked for. Both are 0 if the batch has no label. The sequences `upcoming` are likely to come
    /// next, and are brought into the cache meanwhile.
    fn batch(&mut self, batch: &[u32], upcoming: &[u32], request: Request) -> Result<(f64, f64)>;

    /// The gradient that was kept last, in the layout's order.
    fn gradient(&self) -> &[T];

    /// Clips that gradient and lets an optimiser change the weights by it; see [`Network::update`].
    fn update(&mut self, optimizer: &mut dyn Optimizer<T>, rate: f64, clip: &Clip) -> bool;

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

/// What an engine is to be able to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ability {
    pub(crate) objective: Objective,
    pub(crate) batch_size: usize,
    /// The most steps of a window, if there are to be windows.
    pub(crate) window: Option<usize>,
}

/// What counting the labels of a sequence counts for in the pulse, about.
const LABEL_WORK: usize = 32;

/// Fewest sequences for which tiles are faster, which give each sequence a lane.
pub(crate) fn fewest_tiled<T: Real>() -> usize {
    T::LANES / 4
}

/// Runs `job` with an engine for batches of `data`, which has `network`'s weights; leaves the
/// engine's weights in `network`.
pub(crate) fn with_engine<T: Real, S: Simd, J: Job<T>>(
    simd: S,
    network: &mut Network<T>,
    data: &Sequences<'_, T>,
    ability: Ability,
    context: &mut Context<'_>,
    job: J,
) -> Result<J::Output> {
    let ability = Ability { batch_size: ability.batch_size.min(data.len()), ..ability };
    let (batch_size, layout) = (ability.batch_size, network.layout());
    let tiled = batch_size >= fewest_tiled::<T>();
    let steps = match ability.window {
        Some(window) => data.longest().min(window),
        None if tiled => data.tile_steps(T::LANES),
        None => data.longest(),
    };
    let needs = Needs {
        steps,
        training: true,
        carried: ability.window.is_some(),
        label_columns: data.label_columns(),
        weighted: data.has_weights(),
    };
    let carried =
        if needs.carried { batch_size.saturating_mul(Carry::<T>::row(layout)) } else { 0 };
    let shared = carried + Transposed::<T>::size(layout);
    if !tiled {
        check_memory::<T>(UnitWorker::<T, S>::size(layout, needs) + layout.len() + shared)?;
        let mut engine = single::Single::new(simd, network, data, (ability, needs), context);
        return Ok(job.run(&mut engine));
    }
    let worker = TileWorker::<T, S>::size(layout, needs);
    let shards = tiled::most_shards(layout, data, batch_size);
    check_memory::<T>(context.threads.min(shards) * worker + (2 + shards) * layout.len() + shared)?;
    Ok(tiled::with_tiled(simd, network, data, (ability, needs), context, job))
}

/// The piece of a sequence that a request looks at; none if the sequence has ended before.
fn piece_of<T: Real>(
    data: &Sequences<'_, T>,
    (position, &sequence): (usize, &u32),
    window: Option<(usize, usize)>,
) -> Option<Segment> {
    let steps = data.range(sequence as usize).len();
    let (from, most) = window.unwrap_or((0, steps));
    let steps = steps.saturating_sub(from).min(most);
    let (position, from, steps) = (position as u32, from as u32, steps as u32);
    (steps > 0).then_some(Segment { sequence, position, from, steps, start: 0 })
}

/// The divisor of a batch's loss.
fn divisor<T: Real>(
    data: &Sequences<'_, T>,
    batch: &[u32],
    request: Request,
    objective: Objective,
) -> f64 {
    if objective.loss == Loss::Given {
        return 1.0;
    }
    let mut weight = LabelWeight::default();
    for piece in batch.iter().enumerate().filter_map(|at| piece_of(data, at, request.window)) {
        weight.add(data, piece);
    }
    weight.divisor(objective.reduction, data.label_columns())
}
