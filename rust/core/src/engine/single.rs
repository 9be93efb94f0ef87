//! Small batches: one sequence after the other, on the calling thread.

use super::{Ability, Request, piece_of};
use crate::bptt::Aim;
use crate::context::{Context, Pulse};
use crate::data::Sequences;
use crate::engine::carry::Carry;
use crate::engine::worker::{Needs, Problem, UnitWorker};
use crate::engine::{Engine, LABEL_WORK, divisor};
use crate::error::Result;
use crate::network::Network;
use crate::optim::{Clip, Optimizer};
use crate::real::Real;
use crate::simd::{Level, Simd};
use crate::train::Objective;
use crate::transposed::Transposed;

/// The engine of online gradient descent.
pub(crate) struct Single<'a, 'p, T: Real, S: Simd> {
    network: &'a mut Network<T>,
    data: &'a Sequences<'a, T>,
    objective: Objective,
    pulse: &'a mut Pulse<'p>,
    worker: UnitWorker<T, S>,
    transposed: Transposed<T>,
    carry: Option<Carry<T>>,
    level: Level,
}

impl<'a, 'p, T: Real, S: Simd> Single<'a, 'p, T, S> {
    pub(crate) fn new(
        simd: S,
        network: &'a mut Network<T>,
        data: &'a Sequences<'a, T>,
        (ability, needs): (Ability, Needs),
        context: &'a mut Context<'p>,
    ) -> Self {
        let layout = network.layout();
        let mut transposed = Transposed::new(layout);
        transposed.set(layout, network.parameters());
        Self {
            worker: UnitWorker::new(simd, layout, needs).with_loss(
                layout,
                needs,
                ability.objective.loss,
            ),
            carry: needs.carried.then(|| Carry::new(layout, ability.batch_size)),
            transposed,
            network,
            data,
            objective: ability.objective,
            pulse: &mut context.pulse,
            level: context.level,
        }
    }
}

impl<T: Real, S: Simd> Engine<T> for Single<'_, '_, T, S> {
    fn batch(&mut self, batch: &[u32], upcoming: &[u32], request: Request) -> Result<(f64, f64)> {
        // Batches without labels do no other work.
        self.pulse.spend(LABEL_WORK * batch.len())?;
        let divisor = divisor(self.data, batch, request, self.objective);
        if divisor == 0.0 && request.window.is_none() {
            return Ok((0.0, 0.0));
        }
        let problem = Problem {
            model: self.network.model(Some(&self.transposed)),
            data: self.data,
            upcoming,
            carry: self
                .carry
                .as_ref()
                .zip(request.window)
                .map(|(carry, (from, _))| (carry, from == 0)),
        };
        // Without labels there is a state to be carried on, and nothing to learn.
        let labelled = divisor > 0.0;
        let scale = T::from_f64(if labelled { 1.0 / divisor } else { 0.0 });
        let gradient = request.gradient && labelled;
        let aim = Aim { loss: self.objective.loss, scale, gradient, masks: request.masks };
        let data = self.data;
        let pieces = batch.iter().enumerate().filter_map(|at| piece_of(data, at, request.window));
        let sum = self.worker.set(&problem, pieces, aim, self.pulse)?;
        Ok((sum, divisor))
    }

    fn gradient(&self) -> &[T] {
        self.worker.gradient()
    }

    fn update(&mut self, optimizer: &mut dyn Optimizer<T>, rate: f64, clip: &Clip) -> bool {
        let gradient = self.worker.gradient_mut();
        clip.limit(self.level, gradient);
        let kept = self.network.update(optimizer, (self.level, rate), gradient);
        if self.worker.needs_transposed() {
            self.transposed.set(self.network.layout(), self.network.parameters());
        }
        kept
    }

    fn undo(&mut self) {
        self.network.undo();
    }
}
