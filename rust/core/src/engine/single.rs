//! Small batches: one sequence after the other, on the calling thread.

use crate::aligned::Aligned;
use crate::context::Pulse;
use crate::data::Sequences;
use crate::engine::worker::{Aim, Problem, UnitWorker};
use crate::engine::{Engine, LABEL_WORK, divisor, transpose_hh};
use crate::error::Result;
use crate::layout::Tensor;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::real::Real;
use crate::simd::{Level, Simd};
use crate::train::Objective;

/// The engine of online gradient descent.
pub(crate) struct Single<'a, 'p, T: Real, S> {
    network: &'a mut Network<T>,
    data: &'a Sequences<'a, T>,
    objective: Objective,
    pulse: &'a mut Pulse<'p>,
    worker: UnitWorker<T, S>,
    hh_t: Aligned<T>,
    gradient: Aligned<T>,
    level: Level,
}

impl<'a, 'p, T: Real, S: Simd> Single<'a, 'p, T, S> {
    pub(crate) fn new(
        simd: S,
        network: &'a mut Network<T>,
        data: &'a Sequences<'a, T>,
        objective: Objective,
        (pulse, level): (&'a mut Pulse<'p>, Level),
    ) -> Self {
        let layout = network.layout();
        let mut hh_t = Aligned::zeros(layout.range(Tensor::WeightHh).len());
        transpose_hh(network, &mut hh_t);
        let gradient = Aligned::zeros(layout.len());
        let worker = UnitWorker::new(simd, layout, data.longest(), true);
        Self { network, data, objective, pulse, worker, hh_t, gradient, level }
    }
}

impl<T: Real, S: Simd> Engine<T> for Single<'_, '_, T, S> {
    fn batch(&mut self, batch: &[u32], upcoming: &[u32], gradient: bool) -> Result<(f64, f64)> {
        // Batches without labels do no other work.
        self.pulse.spend(LABEL_WORK * batch.len())?;
        let (divisor, scale) = divisor(self.network, self.data, batch, self.objective);
        if divisor == 0.0 {
            return Ok((0.0, 0.0));
        }
        let problem = Problem {
            layout: self.network.layout(),
            weights: self.network.weights(),
            hh_t: &self.hh_t,
            data: self.data,
            upcoming,
        };
        let aim = Aim { loss: self.objective.loss, scale, gradient };
        let sum = self.worker.set(&problem, batch, aim, &mut self.gradient, self.pulse)?;
        Ok((sum, divisor))
    }

    fn gradient(&self) -> &[T] {
        &self.gradient
    }

    fn update(&mut self, optimizer: &mut dyn Optimizer<T>) -> bool {
        let kept = self.network.update(optimizer, self.level, &self.gradient);
        transpose_hh(self.network, &mut self.hh_t);
        kept
    }

    fn undo(&mut self) {
        self.network.undo();
    }
}
