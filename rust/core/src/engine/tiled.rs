//! The engine of larger batches: tiles, distributed over threads.
//!
//! A batch is cut into *shards* of a few tiles or sequences each, depending only on its size. The
//! gradient of a shard does not depend on the thread that computes it, and shards' gradients are added
//! in order, so the bits are the same with any number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::bptt::{BufferSpec, LossRequest};
use crate::context::{CancelCheck, Context};
use crate::data::Sequences;
use crate::engine::carry::CarriedStates;
use crate::engine::contract::{BatchRequest, Engine, EngineSpec, EngineWork, LABEL_WORK, segments};
use crate::engine::inputs::BatchInputs;
use crate::engine::packed::PackedBatches;
use crate::engine::team::{Finally, Rounds, wait_until, with_team};
use crate::engine::worker::{ShardWorker, add_and_clear};
use crate::error::{Error, Result};
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::{Level, Simd};
use crate::optim::{Clip, Optimizer};
use crate::packing::{BySequence, Tiling, fewest_tiled};
use crate::weights::{Layout, Network, NetworkView, Panels, Transposed};

/// The least multiply-adds of a shard: enough to be worth a round of the team.
const SHARD_WORK: usize = 1_000_000;
/// The least steps of a shard's tiles, so that adding its gradient costs little in comparison.
const SHARD_STEPS: usize = 20;
/// For networks with many more weights than a step uses: the least multiply-adds of a shard for each
/// number of its gradient.
const SHARD_WORK_OF_A_NUMBER: usize = 320;
/// The most shards of a batch, each of which keeps a gradient.
const MOST_SHARDS: usize = 16;

/// What threads share: read while a batch is computed, changed between batches.
struct Shared<'a, T: Real> {
    network: &'a mut Network<T>,
    transposed: Transposed<T>,
    panels: Panels<T>,
    tiling: Tiling,
    /// The first sequence of the batch.
    first: u32,
    shards: usize,
    loss_request: LossRequest<T>,
    /// Whether this is the first window, if states are carried from window to window.
    first_window: bool,
}

/// The result of a shard.
struct Shard<T> {
    sum: Result<f64>,
    /// 0 before each batch.
    gradient: Aligned<T>,
}

/// The shards of a batch, which the threads of a team take in turn.
struct ShardQueue<'a, T: Real, S: Simd> {
    data: &'a Sequences<'a, T>,
    packed: Option<PackedBatches<T, S>>,
    carried: Option<CarriedStates<T>>,
    /// Whether a single thread takes all shards.
    alone: bool,
    shared: RwLock<Shared<'a, T>>,
    shards: Vec<Mutex<Shard<T>>>,
    /// The next shard to be taken; set while `shared` is locked for writing.
    next: AtomicUsize,
    /// How many shards of the current batch are done.
    done: AtomicUsize,
    cancelled: AtomicBool,
}

/// The most shards that a batch may have.
pub(super) fn most_shards<T: Real>(
    layout: &Layout,
    data: &Sequences<'_, T>,
    batch_size: usize,
) -> usize {
    let steps = batch_size.saturating_mul(data.longest()).div_ceil(T::LANES) + data.longest();
    shards::<T>(layout, steps).min(batch_size.div_ceil(T::LANES) + fewest_tiled(T::LANES))
}

/// Whether a sequence of `steps` steps is enough work for a shard.
pub(super) fn is_long(layout: &Layout, steps: usize) -> bool {
    steps.saturating_mul(3 * layout.used_by_a_step()) >= SHARD_WORK
}

/// The number of shards worth making of tiles with `steps` steps in all.
fn shards<T: Real>(layout: &Layout, steps: usize) -> usize {
    let work = steps.saturating_mul(3 * T::LANES).saturating_mul(layout.used_by_a_step());
    let least = SHARD_WORK.max(SHARD_WORK_OF_A_NUMBER.saturating_mul(layout.len()));
    (work / least).min(steps / SHARD_STEPS).clamp(1, MOST_SHARDS)
}

/// The approximate number of tile steps in a batch.
pub(super) fn batch_steps<T: Real>(data: &Sequences<'_, T>, batch_size: usize) -> usize {
    data.rows() / data.len().max(1) * batch_size / T::LANES
}

pub(super) fn with_tiled<T: Real, S: Simd, W: EngineWork<T>>(
    simd: S,
    network: &mut Network<T>,
    data: &Sequences<'_, T>,
    (spec, buffers): (EngineSpec, BufferSpec),
    context: &mut Context<'_>,
    work: W,
) -> W::Output {
    let layout = network.layout().clone();
    let most_shards = most_shards::<T>(&layout, data, spec.batch_size);
    let mut transposed = Transposed::new(&layout);
    transposed.set(&layout, network.parameters());
    let steps = batch_steps(data, spec.batch_size);
    let mut panels = Panels::new(&layout, S::CHAIN_PAIRS, steps, true);
    panels.set(&layout, network.parameters());
    let empty = || Mutex::new(Shard { sum: Ok(0.0), gradient: Aligned::zeros(layout.len()) });
    let threads = context.threads.min(most_shards);
    // Tiles that go in windows are gathered window by window.
    let whole = buffers.in_windows::<BySequence, T::Lanes<S>>(&layout).steps == buffers.steps;
    let queue = ShardQueue {
        data,
        packed: if whole { PackedBatches::new(simd, data, &layout, (spec, buffers)) } else { None },
        alone: threads == 1,
        carried: spec.window.is_some().then(|| CarriedStates::new(&layout, spec.batch_size)),
        shared: RwLock::new(Shared {
            network,
            transposed,
            panels,
            tiling: Tiling::with_capacity(T::LANES, spec.batch_size).for_gradients(),
            first: 0,
            shards: 0,
            loss_request: LossRequest {
                target: spec.target,
                scale: T::ZERO,
                gradient: false,
                masks: None,
            },
            first_window: true,
        }),
        shards: (0..most_shards).map(|_| empty()).collect(),
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        cancelled: AtomicBool::new(false),
    };
    let worker = || ShardWorker::new(simd, &layout, buffers, spec.target);
    let share = |worker: &mut ShardWorker<T, S>| {
        let mut go_on = || !queue.cancelled.load(Ordering::Relaxed);
        queue.work(worker, &[], &mut CancelCheck::new(&mut go_on));
    };
    with_team(threads, worker, share, |rounds| {
        work.run(&mut Tiled {
            queue: &queue,
            rounds,
            spec,
            cancel: &mut context.cancel,
            worker: worker(),
            gradient: Aligned::zeros(layout.len()),
            level: context.level,
        })
    })
}

// A lock is poisoned only by a panic, which ends the call anyway.
impl<'a, T: Real, S: Simd> ShardQueue<'a, T, S> {
    fn read(&self) -> RwLockReadGuard<'_, Shared<'a, T>> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shared<'a, T>> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard<T>> {
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes and computes shards until none is left.
    fn work(&self, worker: &mut ShardWorker<T, S>, upcoming: &[u32], cancel: &mut CancelCheck<'_>) {
        let shared = self.read();
        let inputs = BatchInputs {
            network: NetworkView {
                panels: Some(&shared.panels),
                ..shared.network.view(Some(&shared.transposed))
            },
            data: self.data,
            upcoming,
            alone: self.alone,
            carried: self.carried.as_ref().map(|states| (states, shared.first_window)),
        };
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= shared.shards {
                return;
            }
            // A shard whose thread panics counts as done too, and ends the call.
            let _done = Finally(|| {
                if std::thread::panicking() {
                    self.cancelled.store(true, Ordering::Relaxed);
                }
                self.done.fetch_add(1, Ordering::Release);
            });
            if self.cancelled.load(Ordering::Relaxed) {
                continue;
            }
            let Shard { sum, gradient } = &mut *self.shard(number);
            let packed = self.packed.as_ref().map(|batches| batches.of(shared.first));
            let parts = parts_of(number, shared.shards, parts(&shared.tiling));
            *sum = worker.add(
                &inputs,
                (&shared.tiling, packed, parts),
                &shared.loss_request,
                gradient,
                cancel,
            );
            if sum.is_err() {
                self.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// The engine of mini-batches, as the leader of the team sees it.
struct Tiled<'d, 'a, 'p, T: Real, S: Simd> {
    queue: &'d ShardQueue<'a, T, S>,
    rounds: &'d Rounds,
    spec: EngineSpec,
    cancel: &'d mut CancelCheck<'p>,
    worker: ShardWorker<T, S>,
    gradient: Aligned<T>,
    level: Level,
}

impl<T: Real, S: Simd> Engine<T> for Tiled<'_, '_, '_, T, S> {
    fn batch(
        &mut self,
        batch: &[u32],
        upcoming: &[u32],
        request: BatchRequest,
    ) -> Result<(f64, f64)> {
        // Batches without labels do no other work.
        self.cancel.spend(LABEL_WORK * batch.len())?;
        let (shards, divisor, gradient) = {
            let shared = &mut *self.queue.write();
            let data = self.queue.data;
            let Some((loss_request, divisor)) = self.spec.loss_request(data, batch, request) else {
                return Ok((0.0, 0.0));
            };
            shared.loss_request = loss_request;
            shared.first = batch[0];
            if request.window.is_some() || data.has_initial_states() {
                shared.tiling.set_segments(segments(data, batch, request));
            } else {
                shared.tiling.set(batch, |s| data.range(s as usize).len());
            }
            shared.first_window = request.window.is_none_or(|(from, _)| from == 0);
            let worthwhile = shards::<T>(shared.network.layout(), shared.tiling.steps());
            let parts = parts(&shared.tiling);
            let most = worthwhile.min(parts).min(self.queue.shards.len());
            // No more shards than the size of the largest requires: each has a gradient to be added.
            let parts_each = parts.div_ceil(most.max(1)).max(1);
            shared.shards = parts.div_ceil(parts_each);
            if loss_request.gradient {
                // Back to the buffer it was computed in: two in turn would each be fetched anew.
                std::mem::swap(&mut self.gradient, &mut self.queue.shard(0).gradient);
            }
            self.queue.next.store(0, Ordering::Relaxed);
            self.queue.done.store(0, Ordering::Relaxed);
            (shared.shards, divisor, loss_request.gradient)
        };
        if shards > 1 {
            self.rounds.start();
        }
        let upcoming = if self.queue.packed.is_some() { &[] } else { upcoming };
        self.queue.work(&mut self.worker, upcoming, self.cancel);
        wait_until(|| self.queue.done.load(Ordering::Acquire) == shards);
        if self.queue.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let mut total = 0.0;
        for number in 0..shards {
            let shard = &mut *self.queue.shard(number);
            total += shard.sum.clone()?;
            if !gradient {
                continue;
            }
            if number == 0 {
                std::mem::swap(&mut self.gradient, &mut shard.gradient);
            } else {
                add_and_clear(&mut self.gradient, &mut shard.gradient);
            }
        }
        Ok((total, divisor))
    }

    fn gradient(&self) -> &[T] {
        &self.gradient
    }

    fn update(&mut self, optimizer: &mut dyn Optimizer<T>, rate: f64, clip: &Clip) -> bool {
        let Shared { network, transposed, panels, .. } = &mut *self.queue.write();
        clip.limit(self.level, &mut self.gradient);
        let kept = network.update(optimizer, (self.level, rate), &mut self.gradient);
        transposed.set(network.layout(), network.parameters());
        panels.set(network.layout(), network.parameters());
        kept
    }

    fn undo(&mut self) {
        self.queue.write().network.undo();
    }
}

/// The number of parts of a batch: its tiles and its single segments.
fn parts(tiling: &Tiling) -> usize {
    tiling.len() + tiling.single().len()
}

/// The parts of one shard; all shards have nearly equally many.
fn parts_of(shard: usize, shards: usize, parts: usize) -> Range<usize> {
    shard * parts / shards..(shard + 1) * parts / shards
}
