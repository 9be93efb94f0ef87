//! The forward pass over a data set, its sequences distributed over threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::bptt::{BufferSpec, DropoutMasks, Trace};
use crate::config::Config;
use crate::context::{CancelCheck, Context};
use crate::data::{Segment, Sequences};
use crate::engine::{BatchInputs, TileWorker, UnitWorker};
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Simd, WithSimd, numbers};
use crate::loss::Loss;
use crate::memory::{check_memory_beside, threads_in_memory};
use crate::packing::{
    BySequence, ByUnit, FEWEST_STEPS, Packing, Tiling, fewest_tiled, most_tile_steps,
};
use crate::weights::{Network, NetworkView, Panels};

/// How many tiles' worth of sequences a thread takes at a time.
const TILES_AT_ONCE: usize = 16;
/// The least multiply-adds for which a thread is worth starting.
const THREAD_WORK: usize = 4_000_000;

/// A network and a data set to run it on, forward.
#[derive(Clone, Copy)]
pub(super) struct Inference<'a, T: Real> {
    pub(super) network: &'a Network<T>,
    pub(super) data: &'a Sequences<'a, T>,
    /// The loss, which may imply the output activation.
    pub(super) loss: Loss,
    /// Dropout, if any.
    pub(super) masks: Option<DropoutMasks>,
    /// Panels of the weights, for tiles.
    pub(super) panels: Option<&'a Panels<T>>,
    /// Whether sequences have initial states, or their final states are wanted: passes are then not cut
    /// into windows.
    pub(super) carries: bool,
}

impl<'a, T: Real> Inference<'a, T> {
    pub(super) fn inputs(&self) -> BatchInputs<'a, T> {
        BatchInputs {
            network: NetworkView { panels: self.panels, ..self.network.view(None) },
            data: self.data,
            upcoming: &[],
            alone: false,
            carried: None,
        }
    }

    /// The buffers of a pass. Masks are kept in those of a backward pass.
    pub(super) fn buffers(&self, steps: usize) -> BufferSpec {
        let backward = self.masks.is_some() && self.network.config().drops();
        BufferSpec { backward, carried: self.carries, ..BufferSpec::predictions(steps) }
    }

    /// The number of output rows of the sequences.
    pub(super) fn rows(&self, sequences: Range<usize>) -> usize {
        if self.network.config().per_sequence() {
            return sequences.len();
        }
        let end = sequences.end;
        if sequences.is_empty() {
            0
        } else {
            self.data.range(end - 1).end - self.data.range(sequences.start).start
        }
    }
}

/// All steps of a sequence.
pub(super) fn whole<T: Real>(data: &Sequences<'_, T>, sequence: usize) -> Segment {
    data.segment((0, sequence as u32), None).expect("no sequence is empty")
}

/// Outputs `(N, L)`, or `(S, L)` if the readout is per sequence.
pub(super) struct Predict<'a, 'p, T: Real> {
    pub(super) inference: Inference<'a, T>,
    pub(super) outputs: &'a mut [T],
    /// Space for the final state of each sequence, or empty.
    pub(super) states: &'a mut [T],
    pub(super) context: &'a mut Context<'p>,
}

impl<T: Real> WithSimd for Predict<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { inference, outputs, states, context } = self;
        let (data, config) = (inference.data, inference.network.config());
        // The last sequences are computed one by one if they would leave most of a tile idle; all are
        // if the lanes of a tile would start from given states at different steps.
        let last = data.len() % T::LANES;
        let single = if config.bidirectional && data.has_initial_states() {
            data.len()
        } else if last < fewest_tiled(T::LANES) {
            last
        } else {
            0
        };
        let tiled = 0..data.len() - single;
        let state_len = if states.is_empty() { 0 } else { config.state_len() };
        let columns = config.shape.output;
        let (in_tiles, others) = outputs.split_at_mut(inference.rows(tiled.clone()) * columns);
        let (of_tiles, of_others) = states.split_at_mut(tiled.len() * state_len);
        if !tiled.is_empty() {
            let (sequences, chunk) = (tiled.clone(), TILES_AT_ONCE * T::LANES);
            let (outputs, states) = (in_tiles, of_tiles);
            let queue = Queue { inference, sequences, chunk, outputs, states, state_len };
            by_tiles(simd, queue, context)?;
        }
        if single > 0 {
            let (sequences, outputs, states) = (tiled.end..data.len(), others, of_others);
            let queue = Queue { inference, sequences, chunk: 1, outputs, states, state_len };
            one_by_one(simd, queue, context)?;
        }
        Ok(())
    }
}

fn one_by_one<T: Real, S: Simd>(
    simd: S,
    queue: Queue<'_, '_, T>,
    context: &mut Context<'_>,
) -> Result<()> {
    let Inference { network, data, loss, masks, .. } = queue.inference;
    let (inputs, columns) = (queue.inference.inputs(), network.config().shape.output);
    let longest = queue.sequences.clone().map(|s| data.range(s).len()).max().unwrap_or(0);
    let buffers = queue.inference.buffers(longest);
    let buffers = buffers.in_windows::<ByUnit, T::Lanes<S>>(network.layout());
    let size = UnitWorker::<T, S>::size(network.layout(), buffers);
    let worker = || UnitWorker::<T, S>::new(simd, network.layout(), buffers);
    let per_sequence = network.config().per_sequence();
    queue.work(context, (size, worker), |worker, sequences, (outputs, states), cancel| {
        let segment = whole(data, sequences.start);
        let last = segment.steps as usize - 1;
        let config = network.config();
        worker.outputs(&inputs, segment, (loss, masks), cancel, |first, rows| {
            for (step, row) in (first..).zip(numbers(rows).chunks_exact(columns * T::LANES)) {
                let to = if per_sequence { 0 } else { step * columns };
                if !per_sequence || step == last {
                    let row = row.iter().step_by(T::LANES);
                    outputs[to..to + columns].iter_mut().zip(row).for_each(|(y, &own)| *y = own);
                }
            }
        })?;
        if !states.is_empty() {
            final_state::<ByUnit, _>(worker.trace(), config, (0, segment), states);
        }
        Ok(())
    })
}

fn by_tiles<T: Real, S: Simd>(
    simd: S,
    queue: Queue<'_, '_, T>,
    context: &mut Context<'_>,
) -> Result<()> {
    let (inference, chunk) = (queue.inference, queue.chunk);
    let Inference { network, data, .. } = inference;
    let steps = data.rows() / T::LANES;
    let of_panels = Panels::<T>::size(network.layout(), steps, false);
    check_memory_beside::<T>(of_panels, queue.unwritten())?;
    let mut panels = Panels::new(network.layout(), S::CHAIN_PAIRS, steps, false);
    panels.set(network.layout(), network.parameters());
    let inference = Inference { panels: Some(&panels), ..inference };
    let buffers = inference.buffers(most_tile_steps(data, T::LANES, FEWEST_STEPS));
    let buffers = buffers.in_windows::<BySequence, T::Lanes<S>>(network.layout());
    let size = TileWorker::<T, S>::size(network.layout(), buffers);
    let worker = || {
        let tiling = Tiling::with_capacity(T::LANES, chunk);
        let worker = TileWorker::<T, S>::new(simd, network.layout(), buffers);
        (worker, tiling, Vec::with_capacity(chunk))
    };
    let worker = (size, worker);
    queue.work(context, worker, |(worker, tiling, order), sequences, (outputs, states), cancel| {
        order.clear();
        order.extend(sequences.map(|s| s as u32));
        if data.has_initial_states() {
            tiling.set_segments(order.iter().map(|&s| whole(data, s as usize)));
        } else {
            tiling.set(order, |s| data.range(s as usize).len());
        }
        chunk_of_tiles(worker, inference, (tiling, order), (outputs, states), cancel)
    })
}

/// The outputs of consecutive sequences.
fn chunk_of_tiles<T: Real, S: Simd>(
    worker: &mut TileWorker<T, S>,
    inference: Inference<'_, T>,
    (tiling, order): (&Tiling, &[u32]),
    (outputs, states): (&mut [T], &mut [T]),
    cancel: &mut CancelCheck<'_>,
) -> Result<()> {
    let Inference { network, data, loss, masks, .. } = inference;
    let (inputs, columns) = (inference.inputs(), network.config().shape.output);
    let (per_sequence, first) = (network.config().per_sequence(), order[0]);
    let first_row = data.range(first as usize).start;
    for tile in 0..tiling.len() {
        let lanes = (tiling.tile(tile), (tile + 1 < tiling.len()).then(|| tiling.tile(tile + 1)));
        worker.outputs(&inputs, lanes, (loss, masks), cancel, |s, at, values| {
            let rows = data.range(s as usize);
            if !per_sequence {
                let start = (rows.start - first_row) * columns + at;
                outputs[start..start + values.len()].copy_from_slice(values);
                return;
            }
            // Only the last row of these numbers is wanted.
            let last = (rows.len() - 1) * columns;
            let from = last.max(at);
            if from < at + values.len() {
                let start = (s - first) as usize * columns + from - last;
                let own = &values[from - at..];
                outputs[start..start + own.len()].copy_from_slice(own);
            }
        })?;
        if states.is_empty() {
            continue;
        }
        for (lane, segment) in tiling.tile(tile).segments() {
            let (config, trace) = (network.config(), worker.trace());
            let from = (segment.sequence - first) as usize * config.state_len();
            let own = &mut states[from..from + config.state_len()];
            final_state::<BySequence, _>(trace, config, (lane, segment), own);
        }
    }
    Ok(())
}

/// Copies the final state of a sequence: for the backward direction, the state at its first step.
fn final_state<P: Packing, V: Lanes>(
    trace: &Trace<V>,
    config: &Config,
    (lane, segment): (usize, Segment),
    to: &mut [V::Elem],
) {
    let (first, steps) = (segment.start as usize, segment.steps as usize);
    let rows = to.chunks_exact_mut(config.state_width());
    for (number, row) in rows.enumerate() {
        let (layer, direction) = (number / config.directions(), number % config.directions());
        let step = if direction == 0 { first + steps - 1 } else { first };
        let parts = row.split_at_mut(config.shape.hidden);
        trace.layers[layer].state_at::<P>(direction, step, lane, parts);
    }
}

/// Sequences whose outputs are wanted, and space for these; threads take a chunk at a time.
struct Queue<'a, 'o, T: Real> {
    inference: Inference<'a, T>,
    sequences: Range<usize>,
    chunk: usize,
    outputs: &'o mut [T],
    /// Space for final states, and the size of one; 0 if none are wanted.
    states: &'o mut [T],
    state_len: usize,
}

/// Sequences, and space for their outputs and final states.
type Part<'o, T> = (Range<usize>, (&'o mut [T], &'o mut [T]));

impl<'a, 'o, T: Real> Queue<'a, 'o, T> {
    fn take(&mut self) -> Option<Part<'o, T>> {
        let Range { start, end } = self.sequences;
        let own = start..end.min(start + self.chunk);
        if own.is_empty() {
            return None;
        }
        let columns = self.inference.network.config().shape.output;
        let len = self.inference.rows(own.clone()) * columns;
        let (outputs, rest) = std::mem::take(&mut self.outputs).split_at_mut(len);
        (self.sequences.start, self.outputs) = (own.end, rest);
        let states = std::mem::take(&mut self.states);
        let (states, rest) = states.split_at_mut(own.len() * self.state_len);
        self.states = rest;
        Some((own, (outputs, states)))
    }

    /// How many numbers of the space have not been written to yet.
    fn unwritten(&self) -> usize {
        self.outputs.len() + self.states.len()
    }

    /// How many threads, at most `most`, the work is worth and memory suffices for, if each worker
    /// takes `size` numbers.
    fn threads(&self, most: usize, size: usize) -> Result<usize> {
        let Inference { network, data, .. } = self.inference;
        let Range { start, end } = self.sequences;
        let rows = data.range(end - 1).end - data.range(start).start;
        let worth = rows.saturating_mul(network.layout().len()) / THREAD_WORK;
        let most = most.min(worth.clamp(1, self.sequences.len().div_ceil(self.chunk)));
        threads_in_memory::<T>(most, size, self.unwritten())
    }

    /// Lets threads do the work, each with its own `worker`, which takes `size` numbers.
    fn work<W>(
        self,
        context: &mut Context<'_>,
        (size, worker): (usize, impl Fn() -> W + Sync),
        each: impl Fn(&mut W, Range<usize>, (&mut [T], &mut [T]), &mut CancelCheck<'_>) -> Result<()>
        + Sync,
    ) -> Result<()> {
        let threads = self.threads(context.threads, size)?;
        let queue = Mutex::new(self);
        let cancelled = AtomicBool::new(false);
        let run = |cancel: &mut CancelCheck<'_>| {
            let mut worker = worker();
            let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).take();
            while let Some((sequences, space)) = take() {
                each(&mut worker, sequences, space, cancel)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                let help =
                    || run(&mut CancelCheck::new(&mut || !cancelled.load(Ordering::Relaxed)));
                // If the system cannot start more threads, those already started do the work.
                if thread::Builder::new().spawn_scoped(scope, help).is_err() {
                    break;
                }
            }
            let end = run(&mut context.cancel);
            cancelled.store(end.is_err(), Ordering::Relaxed);
            end
        })
    }
}
