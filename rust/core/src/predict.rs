//! Outputs and states of a whole data set, its sequences shared out among threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::context::{Context, Pulse, check_memory};
use crate::data::Sequences;
use crate::engine::{Problem, TileWorker, UnitWorker, fewest_tiled};
use crate::error::Result;
use crate::network::Network;
use crate::real::Real;
use crate::simd::{Simd, Task};
use crate::tiles::plan::Plan;

/// Tiles' worth of sequences that a thread takes at a time.
const TILES_AT_ONCE: usize = 16;
/// Multiply-adds for each thread, at least, so that starting one is worth its while.
const THREAD_WORK: usize = 4_000_000;

/// Outputs `(N, L)`.
pub(crate) struct Predict<'a, 'p, T: Real> {
    pub(crate) network: &'a Network<T>,
    pub(crate) data: &'a Sequences<'a, T>,
    pub(crate) outputs: &'a mut [T],
    pub(crate) context: &'a mut Context<'p>,
}

impl<T: Real> Task for Predict<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { network, data, outputs, context } = self;
        let problem = Problem::of(network, data);
        let columns = network.config().shape.output;
        if data.len() < fewest_tiled::<T>() {
            check_memory::<T>(UnitWorker::<T, S>::size(network.layout(), data.longest(), false))?;
            let mut worker = UnitWorker::new(simd, network.layout(), data.longest(), false);
            for s in 0..data.len() {
                let rows = data.range(s);
                let (_, y) = worker.forward(&problem, s, &mut context.pulse)?;
                outputs[rows.start * columns..rows.end * columns].copy_from_slice(y);
            }
            return Ok(());
        }
        let (chunk, steps) = (TILES_AT_ONCE * T::LANES, data.tile_steps(T::LANES));
        check_memory::<T>(TileWorker::<T, S>::size(network.layout(), steps, false))?;
        let work = data.rows() * network.layout().len();
        let most = (work / THREAD_WORK).clamp(1, data.len().div_ceil(chunk));
        let queue = Mutex::new(Queue { next: 0, outputs });
        let cancelled = AtomicBool::new(false);
        let run = |pulse: &mut Pulse<'_>| {
            let mut worker = TileWorker::new(simd, network.layout(), steps, false);
            let mut plan = Plan::with_capacity(T::LANES, chunk);
            let mut order = Vec::with_capacity(chunk);
            let take = || {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.take(data, columns, chunk)
            };
            while let Some((sequences, outputs)) = take() {
                let first = data.range(sequences.start).start;
                order.clear();
                order.extend(sequences.map(|s| s as u32));
                plan.set(&order, |s| data.range(s as usize).len());
                for tile in 0..plan.len() {
                    let lanes =
                        (plan.tile(tile), (tile + 1 < plan.len()).then(|| plan.tile(tile + 1)));
                    worker.outputs(&problem, lanes, pulse, |s, at, piece| {
                        let start = (data.range(s as usize).start - first) * columns + at;
                        outputs[start..start + piece.len()].copy_from_slice(piece);
                    })?;
                }
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
}

/// The sequences that nobody has taken yet, with the room for their outputs.
struct Queue<'a, T> {
    next: usize,
    outputs: &'a mut [T],
}

impl<'a, T> Queue<'a, T> {
    fn take(
        &mut self,
        data: &Sequences<'_, T>,
        columns: usize,
        chunk: usize,
    ) -> Option<(Range<usize>, &'a mut [T])> {
        let sequences = self.next..data.len().min(self.next + chunk);
        if sequences.is_empty() {
            return None;
        }
        let rows = data.range(sequences.end - 1).end - data.range(sequences.start).start;
        let (own, rest) = std::mem::take(&mut self.outputs).split_at_mut(rows * columns);
        (self.next, self.outputs) = (sequences.end, rest);
        Some((sequences, own))
    }
}

/// States `h_t (N, H)`.
pub(crate) struct HiddenStates<'a, 'p, T: Real> {
    pub(crate) network: &'a Network<T>,
    pub(crate) data: &'a Sequences<'a, T>,
    pub(crate) states: &'a mut [T],
    pub(crate) context: &'a mut Context<'p>,
}

impl<T: Real> Task for HiddenStates<'_, '_, T> {
    type Output = Result<()>;

    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { network, data, states, context } = self;
        let (hidden, stride) = (network.config().shape.hidden, network.layout().stride());
        let problem = Problem::of(network, data);
        check_memory::<T>(UnitWorker::<T, S>::size(network.layout(), data.longest(), false))?;
        let mut worker = UnitWorker::new(simd, network.layout(), data.longest(), false);
        let mut rest = states.chunks_exact_mut(hidden);
        for s in 0..data.len() {
            let (padded, _) = worker.forward(&problem, s, &mut context.pulse)?;
            for (padded, own) in padded.chunks_exact(stride).zip(&mut rest) {
                own.copy_from_slice(&padded[..hidden]);
            }
        }
        Ok(())
    }
}
