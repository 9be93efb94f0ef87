//! Outputs and states of a whole data set, its sequences shared out among threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::bptt::{Aim, Masks};
use crate::context::{Context, Pulse, check_memory};
use crate::data::Sequences;
use crate::engine::{Needs, Problem, TileWorker, UnitWorker, fewest_tiled};
use crate::error::Result;
use crate::loss::Loss;
use crate::network::Network;
use crate::plan::{Plan, Segment};
use crate::real::Real;
use crate::simd::{Simd, Task, numbers};

/// Tiles' worth of sequences that a thread takes at a time.
const TILES_AT_ONCE: usize = 16;
/// Multiply-adds for each thread, at least, so that starting one is worth its while.
const THREAD_WORK: usize = 4_000_000;

/// A network and a data set to run it on.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a, T: Real> {
    pub(crate) network: &'a Network<T>,
    pub(crate) data: &'a Sequences<'a, T>,
    /// May imply the activation of the outputs.
    pub(crate) loss: Loss,
    /// Dropout, if there is to be any.
    pub(crate) masks: Option<Masks>,
}

impl<'a, T: Real> Subject<'a, T> {
    fn problem(&self) -> Problem<'a, T> {
        Problem { model: self.network.model(None), data: self.data, upcoming: &[], carry: None }
    }

    fn aim(&self) -> Aim<T> {
        Aim { loss: self.loss, scale: T::ONE, gradient: false, masks: self.masks }
    }

    /// Masks are kept in the buffers of training.
    fn needs(&self, steps: usize) -> Needs {
        let training = self.masks.is_some() && self.network.config().drops();
        Needs { training, ..Needs::predictions(steps) }
    }

    /// Rows of outputs of the sequences.
    pub(crate) fn rows(&self, sequences: Range<usize>) -> usize {
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
    let steps = data.range(sequence).len() as u32;
    Segment { sequence: sequence as u32, position: 0, from: 0, steps, start: 0 }
}

/// Outputs `(N, L)`, or `(S, L)` with a readout of whole sequences.
pub(crate) struct Predict<'a, 'p, T: Real> {
    pub(crate) subject: Subject<'a, T>,
    pub(crate) outputs: &'a mut [T],
    pub(crate) context: &'a mut Context<'p>,
}

impl<T: Real> Task for Predict<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { subject, outputs, context } = self;
        if subject.data.len() < fewest_tiled::<T>() {
            one_by_one(simd, subject, outputs, &mut context.pulse)
        } else {
            by_tiles(simd, subject, outputs, context)
        }
    }
}

fn one_by_one<T: Real, S: Simd>(
    simd: S,
    subject: Subject<'_, T>,
    mut outputs: &mut [T],
    pulse: &mut Pulse<'_>,
) -> Result<()> {
    let Subject { network, data, loss, .. } = subject;
    let (problem, columns) = (subject.problem(), network.config().shape.output);
    let needs = subject.needs(data.longest());
    check_memory::<T>(UnitWorker::<T, S>::size(network.layout(), needs))?;
    let mut worker = UnitWorker::<T, S>::new(simd, network.layout(), needs);
    for s in 0..data.len() {
        worker.forward(&problem, whole(data, s), subject.aim(), pulse)?;
        let trace = worker.activate(&problem, loss);
        let rows = subject.rows(s..s + 1);
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
    subject: Subject<'_, T>,
    outputs: &mut [T],
    context: &mut Context<'_>,
) -> Result<()> {
    let Subject { network, data, .. } = subject;
    let (chunk, needs) = (TILES_AT_ONCE * T::LANES, subject.needs(data.tile_steps(T::LANES)));
    check_memory::<T>(TileWorker::<T, S>::size(network.layout(), needs))?;
    let work = data.rows() * network.layout().len();
    let most = (work / THREAD_WORK).clamp(1, data.len().div_ceil(chunk));
    let queue = Mutex::new(Queue { next: 0, outputs });
    let cancelled = AtomicBool::new(false);
    let run = |pulse: &mut Pulse<'_>| {
        let mut worker = TileWorker::<T, S>::new(simd, network.layout(), needs);
        let mut plan = Plan::with_capacity(T::LANES, chunk);
        let mut order = Vec::with_capacity(chunk);
        let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).take(&subject, chunk);
        while let Some((sequences, outputs)) = take() {
            order.clear();
            order.extend(sequences.map(|s| s as u32));
            plan.set(&order, |s| data.range(s as usize).len());
            chunk_of_tiles(&mut worker, subject, (&plan, &order), outputs, pulse)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 1..context.threads.min(most) {
            let help = || run(&mut Pulse::new(&mut || !cancelled.load(Ordering::Relaxed)));
            // Where no more threads are to be had, those that there are do the work.
            if thread::Builder::new().spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        let end = run(&mut context.pulse);
        cancelled.store(end.is_err(), Ordering::Relaxed);
        end
    })
}

/// The outputs of some consecutive sequences.
fn chunk_of_tiles<T: Real, S: Simd>(
    worker: &mut TileWorker<T, S>,
    subject: Subject<'_, T>,
    (plan, order): (&Plan, &[u32]),
    outputs: &mut [T],
    pulse: &mut Pulse<'_>,
) -> Result<()> {
    let Subject { network, data, .. } = subject;
    let (problem, columns) = (subject.problem(), network.config().shape.output);
    let (per_sequence, first) = (network.config().per_sequence(), order[0]);
    let first_row = data.range(first as usize).start;
    for tile in 0..plan.len() {
        let lanes = (plan.tile(tile), (tile + 1 < plan.len()).then(|| plan.tile(tile + 1)));
        worker.outputs(&problem, lanes, subject.aim(), pulse, |s, at, piece| {
            let rows = data.range(s as usize);
            if !per_sequence {
                let start = (rows.start - first_row) * columns + at;
                outputs[start..start + piece.len()].copy_from_slice(piece);
                return;
            }
            // Of the numbers in this piece, those of the last row.
            let last = (rows.len() - 1) * columns;
            let from = last.max(at);
            if from < at + piece.len() {
                let start = (s - first) as usize * columns + from - last;
                let own = &piece[from - at..];
                outputs[start..start + own.len()].copy_from_slice(own);
            }
        })?;
    }
    Ok(())
}

/// The sequences that nobody has taken yet, with the room for their outputs.
struct Queue<'a, T> {
    next: usize,
    outputs: &'a mut [T],
}

impl<'a, T: Real> Queue<'a, T> {
    fn take(
        &mut self,
        subject: &Subject<'_, T>,
        chunk: usize,
    ) -> Option<(Range<usize>, &'a mut [T])> {
        let sequences = self.next..subject.data.len().min(self.next + chunk);
        if sequences.is_empty() {
            return None;
        }
        let len = subject.rows(sequences.clone()) * subject.network.config().shape.output;
        let (own, rest) = std::mem::take(&mut self.outputs).split_at_mut(len);
        (self.next, self.outputs) = (sequences.end, rest);
        Some((sequences, own))
    }
}

/// States of the last layer, `(N, D·H)`: the directions side by side.
pub(crate) struct HiddenStates<'a, 'p, T: Real> {
    pub(crate) subject: Subject<'a, T>,
    pub(crate) states: &'a mut [T],
    pub(crate) context: &'a mut Context<'p>,
}

impl<T: Real> Task for HiddenStates<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { subject, states, context } = self;
        let Subject { network, data, .. } = subject;
        let (hidden, layout) = (network.config().shape.hidden, network.layout());
        let needs = subject.needs(data.longest());
        check_memory::<T>(UnitWorker::<T, S>::size(layout, needs))?;
        let mut worker = UnitWorker::<T, S>::new(simd, layout, needs);
        let padded = hidden.next_multiple_of(T::LANES);
        let mut rest = states.chunks_exact_mut(hidden);
        for s in 0..data.len() {
            let pulse = &mut context.pulse;
            let trace = worker.forward(&subject.problem(), whole(data, s), subject.aim(), pulse)?;
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
