//! [`ScoreLanes`]: computes events of different entities together, for one instruction set.

use std::sync::Arc;

use super::super::steps::{StepperOf, Steps};
use super::schedule::Schedule;
use super::slabs::Slabs;
use crate::bptt::{BufferSpec, InputBuffers, Pass};
use crate::context::CancelCheck;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd, WithSimd, numbers};
use crate::loss::Loss;
use crate::packing::{BySequence, MOST_LANES};
use crate::weights::Network;

/// Fewest events that are faster together in lanes than one at a time.
const fn fewest_beside(lanes: usize) -> usize {
    lanes / 4 + 1
}

/// Events with their rows of states, in order of arrival.
#[derive(Clone, Copy)]
pub(in crate::calls) struct Events<'a, T> {
    /// Features `(events, F)`.
    pub(super) x: &'a [T],
    /// Each event's row, and whether it starts from the state 0.
    pub(super) rows: &'a [u32],
    pub(super) new: &'a [bool],
}

impl<'a, T> Events<'a, T> {
    fn features(&self, event: usize) -> &'a [T] {
        let columns = self.x.len() / self.rows.len();
        &self.x[event * columns..(event + 1) * columns]
    }
}

/// Scores events.
pub(in crate::calls) trait Scores<T: Real>: Send + Sync {
    /// Sets `outputs (events, L)`, and the states after the events.
    fn score(&mut self, events: Events<'_, T>, states: &mut Slabs<T>, outputs: &mut [T]);
}

/// Builds a scorer for an instruction set.
pub(in crate::calls) struct MakeScores<T: Real> {
    pub(super) network: Arc<Network<T>>,
    pub(super) loss: Loss,
}

impl<T: Real> WithSimd for MakeScores<T> {
    type Output = Box<dyn Scores<T>>;

    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { network, loss } = self;
        let buffers = BufferSpec { carried: true, ..BufferSpec::predictions(1) };
        let loaded = InputBuffers::new::<BySequence>(simd, network.layout(), buffers);
        let mut pass = Pass::new(simd, network.layout(), buffers);
        pass.trace.steps = 1;
        pass.trace.set_carried(true);
        let (config, schedule) = (network.config(), Schedule::default());
        let state = network.config().state_len();
        let longest = state.max(config.features());
        Box::new(ScoreLanes {
            single: StepperOf::new(simd, Arc::clone(&network), loss),
            zeros: vec![T::ZERO; longest],
            after: vec![T::ZERO; T::LANES * state],
            simd,
            network,
            loss,
            loaded,
            pass,
            schedule,
        })
    }
}

struct ScoreLanes<T: Real, S: Simd> {
    simd: S,
    network: Arc<Network<T>>,
    loss: Loss,
    loaded: InputBuffers<T::Lanes<S>>,
    pass: Pass<BySequence, T::Lanes<S>>,
    /// For events with too few others to fill lanes.
    single: StepperOf<T, S>,
    schedule: Schedule,
    /// The state of an idle lane, and of one that starts from 0.
    zeros: Vec<T>,
    /// New states on their way back to the rows, one per lane.
    after: Vec<T>,
}

impl<T: Real, S: Simd> Scores<T> for ScoreLanes<T, S> {
    fn score(&mut self, events: Events<'_, T>, states: &mut Slabs<T>, outputs: &mut [T]) {
        if let &[row] = events.rows {
            return self.step(events, 0, states.row_mut(row), outputs);
        }
        for &row in events.rows {
            for line in states.row(row).chunks(T::LANES) {
                self.simd.prefetch(&line[0]);
            }
        }
        let columns = self.network.config().shape.output;
        self.schedule.set(events.rows);
        let mut tile = [0; MOST_LANES];
        loop {
            let taken = self.schedule.take(&mut tile[..T::LANES]);
            if taken >= fewest_beside(T::LANES) {
                self.step_beside(events, &tile[..taken], states, outputs);
                continue;
            }
            if taken == 0 {
                return;
            }
            for &event in &tile[..taken] {
                let event = event as usize;
                let outputs = &mut outputs[event * columns..(event + 1) * columns];
                self.step(events, event, states.row_mut(events.rows[event]), outputs);
            }
        }
    }
}

impl<T: Real, S: Simd> ScoreLanes<T, S> {
    /// Computes a single event.
    fn step(&mut self, events: Events<'_, T>, event: usize, state: &mut [T], outputs: &mut [T]) {
        if events.new[event] {
            self.single.reset();
        } else {
            self.single.set_state(state);
        }
        self.single.step(events.features(event), outputs);
        self.single.state(state);
    }

    /// Computes events of different rows, one per lane.
    fn step_beside(
        &mut self,
        events: Events<'_, T>,
        tile: &[u32],
        states: &mut Slabs<T>,
        outputs: &mut [T],
    ) {
        let (config, simd) = (self.network.config(), self.simd);
        let (hidden, columns) = (config.shape.hidden, config.shape.output);
        let mut lanes: [&[T]; MOST_LANES] = [&self.zeros; MOST_LANES];
        for (lane, &event) in lanes.iter_mut().zip(tile) {
            *lane = events.features(event as usize);
        }
        let trace = &mut self.pass.trace;
        let x = &mut self.loaded.x[..config.features()];
        simd.vectorize(ToLanes { lanes: &lanes, first: 0, groups: x });
        for (lane, &event) in lanes.iter_mut().zip(tile) {
            let event = event as usize;
            *lane = if events.new[event] { &self.zeros } else { states.row(events.rows[event]) };
        }
        for lane in &mut lanes[tile.len()..] {
            *lane = &self.zeros;
        }
        let mut first = 0;
        for layer in &mut trace.layers {
            let own = &mut layer.directions[0];
            let parts = [&mut own.initial.h, &mut own.initial.c];
            for groups in parts.into_iter().take(1 + usize::from(!own.cells.is_empty())) {
                simd.vectorize(ToLanes { lanes: &lanes, first, groups });
                first += hidden;
            }
        }
        let (network, mut go_on) = (self.network.view(None), || true);
        // One step is too short to be cancelled.
        let cancel = &mut CancelCheck::new(&mut go_on);
        let _ = self.pass.forward(network, &self.loaded.x, &[], cancel);
        self.pass.activate(network, self.loss);
        let (mut first, trace) = (0, &self.pass.trace);
        for layer in &trace.layers {
            let parts = [&layer.states, &layer.directions[0].cells];
            for groups in parts.into_iter().filter(|groups| !groups.is_empty()) {
                let groups = &groups[..hidden];
                simd.vectorize(FromLanes { groups, first, rows: &mut self.after });
                first += hidden;
            }
        }
        let logits = numbers(&trace.logits);
        for (lane, &event) in tile.iter().enumerate() {
            let state = states.row_mut(events.rows[event as usize]);
            state.copy_from_slice(&self.after[lane * first..(lane + 1) * first]);
            let outputs = &mut outputs[event as usize * columns..][..columns];
            for (l, y) in outputs.iter_mut().enumerate() {
                *y = logits[l * T::LANES + lane];
            }
        }
    }
}

/// Transposes numbers of each lane's slice, starting at the same number, into groups.
struct ToLanes<'a, V: Lanes> {
    lanes: &'a [&'a [V::Elem]; MOST_LANES],
    first: usize,
    groups: &'a mut [V],
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for ToLanes<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let mut block = V::splat(simd, V::Elem::ZERO).block();
        for (number, groups) in self.groups.chunks_mut(V::LEN).enumerate() {
            let first = self.first + number * V::LEN;
            for lane in 0..V::LEN {
                let values = &self.lanes[lane][first..first + groups.len()];
                block.as_mut()[lane] = V::load_partial(simd, values, V::Elem::ZERO);
            }
            V::transpose(&mut block);
            for (group, &own) in groups.iter_mut().zip(block.as_ref()) {
                *group = own;
            }
        }
    }
}

/// The reverse: transposes groups into numbers of each lane's row, starting at the same number.
struct FromLanes<'a, V: Lanes> {
    groups: &'a [V],
    first: usize,
    rows: &'a mut [V::Elem],
}

impl<S: Simd, V: Lanes<Simd = S>> Kernel<S> for FromLanes<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let width = self.rows.len() / V::LEN;
        let mut block = V::splat(simd, V::Elem::ZERO).block();
        for (number, groups) in self.groups.chunks(V::LEN).enumerate() {
            for (own, &group) in block.as_mut().iter_mut().zip(groups) {
                *own = group;
            }
            V::transpose(&mut block);
            let first = self.first + number * V::LEN;
            for lane in 0..V::LEN {
                let row = &mut self.rows[lane * width + first..][..groups.len()];
                block.as_ref()[lane].store_partial(row);
            }
        }
    }
}
