//! Gradients of batches, in the packing that suits their size, and the updates between them.
//!
//! | file | what lives there |
//! |---|---|
//! | `contract.rs` | what may be requested for a batch, and what an engine can do |
//! | `mod.rs` | which engine a call gets |
//! | `single.rs` | small batches: one sequence at a time, on the calling thread |
//! | `tiled.rs` | larger batches: tiles, distributed over threads |
//! | `inputs.rs` | what batches are computed from |
//! | `packed.rs` | tiles that are packed once |
//! | `worker.rs` | what one thread does for a batch |
//! | `tile.rs`, `unit.rs` | the same for tiles, and for single sequences |
//! | `carry.rs` | states between the windows of a sequence |
//! | `team.rs` | the threads of a call |

mod carry;
mod contract;
mod inputs;
mod packed;
mod single;
mod team;
mod tile;
mod tiled;
mod unit;
mod worker;

use crate::bptt::BufferSpec;
use crate::context::Context;
use crate::data::Sequences;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::Simd;
use crate::memory::check_memory;
use crate::packing::{ByUnit, FEWEST_STEPS_OF_GRADIENTS, fewest_tiled, most_tile_steps};
use crate::weights::{Network, Panels, Transposed};
use carry::CarriedStates;
pub(crate) use contract::{BatchRequest, Engine, EngineSpec, EngineWork};
pub(crate) use inputs::BatchInputs;
pub(crate) use tile::TileWorker;
pub(crate) use unit::UnitWorker;
use worker::ShardWorker;

/// Runs `work` with an engine for batches of `data` that starts with `network`'s weights; stores the
/// engine's weights in `network` at the end.
pub(crate) fn with_engine<T: Real, S: Simd, W: EngineWork<T>>(
    simd: S,
    network: &mut Network<T>,
    data: &Sequences<'_, T>,
    spec: EngineSpec,
    context: &mut Context<'_>,
    work: W,
) -> Result<W::Output> {
    let spec = EngineSpec { batch_size: spec.batch_size.min(data.len()), ..spec };
    let (batch_size, layout) = (spec.batch_size, network.layout());
    let longest = data.longest().min(spec.window.unwrap_or(usize::MAX));
    // Small batches are computed one sequence at a time, unless long sequences are worth several
    // threads; so is any batch if the lanes of a tile would start from states at different steps.
    let start_alike = !(network.config().bidirectional && data.has_initial_states());
    let worthwhile =
        batch_size >= fewest_tiled(T::LANES) || (batch_size > 1 && tiled::is_long(layout, longest));
    let tiled = start_alike && worthwhile;
    let steps = match spec.window {
        None if tiled => most_tile_steps(data, T::LANES, FEWEST_STEPS_OF_GRADIENTS),
        _ => longest,
    };
    let buffers = BufferSpec {
        steps,
        backward: true,
        carried: spec.window.is_some() || data.has_initial_states(),
        label_columns: data.label_columns(),
        weighted: data.has_label_weights(),
        windows: 0,
    };
    let carried = if spec.window.is_some() {
        batch_size.saturating_mul(CarriedStates::<T>::row(layout))
    } else {
        0
    };
    let shared = carried + Transposed::<T>::size(layout);
    if !tiled {
        let buffers = buffers.in_windows::<ByUnit, T::Lanes<S>>(layout);
        // Counts the gradient, and the weights before an update.
        check_memory::<T>(UnitWorker::<T, S>::size(layout, buffers) + 2 * layout.len() + shared)?;
        let mut engine = single::Single::new(simd, network, data, (spec, buffers), context);
        return Ok(work.run(&mut engine));
    }
    let worker = ShardWorker::<T, S>::size(layout, buffers);
    let shards = tiled::most_shards(layout, data, batch_size);
    let shared = shared + Panels::<T>::size(layout, tiled::batch_steps(data, batch_size), true);
    check_memory::<T>(context.threads.min(shards) * worker + (3 + shards) * layout.len() + shared)?;
    Ok(tiled::with_tiled(simd, network, data, (spec, buffers), context, work))
}
