//! The engine of small batches: one sequence at a time, on the calling thread.

use crate::bptt::BufferSpec;
use crate::context::{CancelCheck, Context};
use crate::data::Sequences;
use crate::engine::carry::CarriedStates;
use crate::engine::contract::{BatchRequest, Engine, EngineSpec, LABEL_WORK, segments};
use crate::engine::inputs::BatchInputs;
use crate::engine::unit::UnitWorker;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Level, Simd};
use crate::optim::{Clip, Optimizer};
use crate::weights::{Network, Transposed};

/// The engine of online gradient descent.
pub(super) struct Single<'a, 'p, T: Real, S: Simd> {
    network: &'a mut Network<T>,
    data: &'a Sequences<'a, T>,
    spec: EngineSpec,
    cancel: &'a mut CancelCheck<'p>,
    worker: UnitWorker<T, S>,
    transposed: Transposed<T>,
    carried: Option<CarriedStates<T>>,
    level: Level,
}

impl<'a, 'p, T: Real, S: Simd> Single<'a, 'p, T, S> {
    pub(super) fn new(
        simd: S,
        network: &'a mut Network<T>,
        data: &'a Sequences<'a, T>,
        (spec, buffers): (EngineSpec, BufferSpec),
        context: &'a mut Context<'p>,
    ) -> Self {
        let layout = network.layout();
        let mut transposed = Transposed::new(layout);
        transposed.set(layout, network.parameters());
        Self {
            worker: UnitWorker::new(simd, layout, buffers).with_target(
                layout,
                buffers,
                spec.target,
            ),
            carried: spec.window.is_some().then(|| CarriedStates::new(layout, spec.batch_size)),
            transposed,
            network,
            data,
            spec,
            cancel: &mut context.cancel,
            level: context.level,
        }
    }
}

impl<T: Real, S: Simd> Engine<T> for Single<'_, '_, T, S> {
    fn batch(
        &mut self,
        batch: &[u32],
        upcoming: &[u32],
        request: BatchRequest,
    ) -> Result<(f64, f64)> {
        // Batches without labels do no other work.
        self.cancel.spend(LABEL_WORK * batch.len())?;
        let Some((loss_request, divisor)) = self.spec.loss_request(self.data, batch, request)
        else {
            return Ok((0.0, 0.0));
        };
        let carried = self.carried.as_ref().zip(request.window);
        let inputs = BatchInputs {
            network: self.network.view(Some(&self.transposed)),
            data: self.data,
            upcoming,
            alone: true,
            carried: carried.map(|(states, (from, _))| (states, from == 0)),
        };
        let segments = segments(self.data, batch, request);
        let sum = self.worker.add(&inputs, segments, &loss_request, self.cancel)?;
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
