//! The forward pass over a data set, its sequences distributed over threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::bptt::{BufferSpec, DropoutMasks};
use crate::context::{CancelCheck, Context, check_memory};
use crate::data::{Segment, Sequences};
use crate::engine::{BatchInputs, TileWorker, UnitWorker, fewest_tiled};
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Simd, WithSimd, numbers};
use crate::loss::Loss;
use crate::packing::Tiling;
use crate::weights::Network;

/// Tiles' worth of sequences that a thread takes at a time.
const TILES_AT_ONCE: usize = 16;
/// Multiply-adds of a thread, at least, so that it is worth starting.
const THREAD_WORK: usize = 4_000_000;

/// A network and a data set to run it on, forward.
#[derive(Clone, Copy)]
pub(super) struct Inference<'a, T: Real> {
    pub(super) network: &'a Network<T>,
    pub(super) data: &'a Sequences<'a, T>,
    /// May imply the activation of the outputs.
    pub(super) loss: Loss,
    /// Dropout, if any.
    pub(super) masks: Option<DropoutMasks>,
}

impl<'a, T: Real> Inference<'a, T> {
    fn inputs(&self) -> BatchInputs<'a, T> {
        BatchInputs {
            network: self.network.view(None),
            data: self.data,
            upcoming: &[],
            carried: None,
        }
    }

    /// Masks are kept in the buffers of a backward pass.
    fn buffers(&self, steps: usize) -> BufferSpec {
        let backward = self.masks.is_some() && self.network.config().drops();
        BufferSpec { backward, ..BufferSpec::predictions(steps) }
    }

    /// Rows of outputs of the sequences.
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
fn whole<T: Real>(data: &Sequences<'_, T>, sequence: usize) -> Segment {
    data.segment((0, sequence as u32), None).expect("no sequence is empty")
}

/// Outputs `(N, L)`, or `(S, L)` with a readout of whole sequences.
pub(super) struct Predict<'a, 'p, T: Real> {
    pub(super) inference: Inference<'a, T>,
    pub(super) outputs: &'a mut [T],
    pub(super) context: &'a mut Context<'p>,
}

impl<T: Real> WithSimd for Predict<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { inference, outputs, context } = self;
        if inference.data.len() < fewest_tiled::<T>() {
            one_by_one(simd, inference, outputs, &mut context.cancel)
        } else {
            by_tiles(simd, inference, outputs, context)
        }
    }
}

fn one_by_one<T: Real, S: Simd>(
    simd: S,
    inference: Inference<'_, T>,
    mut outputs: &mut [T],
    cancel: &mut CancelCheck<'_>,
) -> Result<()> {
    let Inference { network, data, loss, .. } = inference;
    let (inputs, columns) = (inference.inputs(), network.config().shape.output);
    let buffers = inference.buffers(data.longest());
    check_memory::<T>(UnitWorker::<T, S>::size(network.layout(), buffers))?;
    let mut worker = UnitWorker::<T, S>::new(simd, network.layout(), buffers);
    for s in 0..data.len() {
        worker.forward(&inputs, whole(data, s), inference.masks, cancel)?;
        let trace = worker.activate(&inputs, loss);
        let rows = inference.rows(s..s + 1);
        let logits = &trace.logits[(trace.steps - rows) * columns..trace.steps * columns];
        let (own, others) = outputs.split_at_mut(rows * columns);
        for (y, group) in own.iter_mut().zip(numbers(logits).chunks_exact(T::LANES)) {
            *y = group[0];
        }
        outputs = others;
    }
    Ok(())
}

fn by_tiles<T: Real, S: Simd>(
    simd: S,
    inference: Inference<'_, T>,
    outputs: &mut [T],
    context: &mut Context<'_>,
) -> Result<()> {
    let Inference { network, data, .. } = inference;
    let (chunk, buffers) = (TILES_AT_ONCE * T::LANES, inference.buffers(data.tile_steps(T::LANES)));
    check_memory::<T>(TileWorker::<T, S>::size(network.layout(), buffers))?;
    let work = data.rows() * network.layout().len();
    let most = (work / THREAD_WORK).clamp(1, data.len().div_ceil(chunk));
    let queue = Mutex::new(Queue { next: 0, outputs });
    let cancelled = AtomicBool::new(false);
    let run = |cancel: &mut CancelCheck<'_>| {
        let mut worker = TileWorker::<T, S>::new(simd, network.layout(), buffers);
        let mut tiling = Tiling::with_capacity(T::LANES, chunk);
        let mut order = Vec::with_capacity(chunk);
        let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).take(&inference, chunk);
        while let Some((sequences, outputs)) = take() {
            order.clear();
            order.extend(sequences.map(|s| s as u32));
            tiling.set(&order, |s| data.range(s as usize).len());
            chunk_of_tiles(&mut worker, inference, (&tiling, &order), outputs, cancel)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 1..context.threads.min(most) {
            let help = || run(&mut CancelCheck::new(&mut || !cancelled.load(Ordering::Relaxed)));
            // If the system starts no more threads, those that it has started do the work.
            if thread::Builder::new().spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        let end = run(&mut context.cancel);
        cancelled.store(end.is_err(), Ordering::Relaxed);
        end
    })
}

/// The outputs of some consecutive sequences.
fn chunk_of_tiles<T: Real, S: Simd>(
    worker: &mut TileWorker<T, S>,
    inference: Inference<'_, T>,
    (tiling, order): (&Tiling, &[u32]),
    outputs: &mut [T],
    cancel: &mut CancelCheck<'_>,
) -> Result<()> {
    let Inference { network, data, loss, masks } = inference;
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
            // Of these numbers, those of the last row.
            let last = (rows.len() - 1) * columns;
            let from = last.max(at);
            if from < at + values.len() {
                let start = (s - first) as usize * columns + from - last;
                let own = &values[from - at..];
                outputs[start..start + own.len()].copy_from_slice(own);
            }
        })?;
    }
    Ok(())
}

/// The sequences that no thread has taken yet, and the space for their outputs.
struct Queue<'a, T> {
    next: usize,
    outputs: &'a mut [T],
}

impl<'a, T: Real> Queue<'a, T> {
    fn take(
        &mut self,
        inference: &Inference<'_, T>,
        chunk: usize,
    ) -> Option<(Range<usize>, &'a mut [T])> {
        let sequences = self.next..inference.data.len().min(self.next + chunk);
        if sequences.is_empty() {
            return None;
        }
        let len = inference.rows(sequences.clone()) * inference.network.config().shape.output;
        let (own, rest) = std::mem::take(&mut self.outputs).split_at_mut(len);
        (self.next, self.outputs) = (sequences.end, rest);
        Some((sequences, own))
    }
}

/// States of the last layer, `(N, D·H)`: the directions side by side.
pub(super) struct HiddenStates<'a, 'p, T: Real> {
    pub(super) inference: Inference<'a, T>,
    pub(super) states: &'a mut [T],
    pub(super) context: &'a mut Context<'p>,
}

impl<T: Real> WithSimd for HiddenStates<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { inference, states, context } = self;
        let Inference { network, data, .. } = inference;
        let (hidden, layout) = (network.config().shape.hidden, network.layout());
        let buffers = inference.buffers(data.longest());
        check_memory::<T>(UnitWorker::<T, S>::size(layout, buffers))?;
        let mut worker = UnitWorker::<T, S>::new(simd, layout, buffers);
        let padded = hidden.next_multiple_of(T::LANES);
        let mut rest = states.chunks_exact_mut(hidden);
        for s in 0..data.len() {
            let cancel = &mut context.cancel;
            let trace =
                worker.forward(&inference.inputs(), whole(data, s), inference.masks, cancel)?;
            let states = numbers(&trace.layers[network.config().layers - 1].states);
            let parts =
                states.chunks_exact(padded).take(trace.steps * network.config().directions());
            for (padded, own) in parts.zip(&mut rest) {
                own.copy_from_slice(&padded[..hidden]);
            }
        }
        Ok(())
    }
}
