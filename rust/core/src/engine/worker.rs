//! What one thread does for a batch: the gradient, or the outputs, of some of its sequences.

use std::ops::Range;

use crate::aligned::Aligned;
use crate::bptt::{Aim, Model, Online, Pass, Purpose, Trace, window};
use crate::context::Pulse;
use crate::data::Sequences;
use crate::engine::carry::Carry;
use crate::error::Result;
use crate::layout::Layout;
use crate::loss::Loss;
use crate::packing::{BySequence, ByUnit, MOST_LANES, Packing, gather, reduce_lanes, scatter};
use crate::plan::{Plan, Segment, TilePlan};
use crate::real::Real;
use crate::simd::{Simd, numbers, numbers_mut};

/// Numbers of the next sequence that are asked for ahead; more would push out what is in use.
const AHEAD: usize = 1024;

/// The network and the data that a call works on.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a, T> {
    pub(crate) model: Model<'a, T>,
    pub(crate) data: &'a Sequences<'a, T>,
    /// Sequences that are likely to come next.
    pub(crate) upcoming: &'a [u32],
    /// States that are carried from window to window, if that is done; and whether this is the
    /// first window.
    pub(crate) carry: Option<(&'a Carry<T>, bool)>,
}

/// What is needed to make a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// The most steps of a pass.
    pub(crate) steps: usize,
    pub(crate) training: bool,
    /// Whether states are carried from window to window.
    pub(crate) carried: bool,
    /// Columns of labels, and whether they have weights.
    pub(crate) label_columns: usize,
    pub(crate) weighted: bool,
}

impl Needs {
    /// For predictions.
    pub(crate) fn predictions(steps: usize) -> Self {
        Self { steps, training: false, carried: false, label_columns: 0, weighted: false }
    }

    fn purpose(self, layout: &Layout) -> Purpose {
        let Self { training, carried, label_columns, weighted, .. } = self;
        Purpose { training, carried, label_columns, weighted, window: window(layout.len()) }
    }
}

/// The buffers of a thread that works on one sequence after the other.
pub(crate) struct UnitWorker<T: Real, S: Simd> {
    simd: S,
    pass: Pass<ByUnit, T::Lanes<S>>,
    gradient: Vec<T::Lanes<S>>,
    /// For losses and gradients, where all can be computed so.
    online: Option<Online<T::Lanes<S>>>,
}

impl<T: Real, S: Simd> UnitWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, needs: Needs) -> usize {
        let purpose = needs.purpose(layout);
        let gradient = if needs.training { layout.len() } else { 0 };
        Trace::<T::Lanes<S>>::size::<ByUnit>(layout.config(), needs.steps, purpose) + gradient
    }

    pub(crate) fn new(simd: S, layout: &Layout, needs: Needs) -> Self {
        let pass: Pass<ByUnit, T::Lanes<S>> =
            Pass::new(simd, layout, needs.steps, needs.purpose(layout));
        let groups = if needs.training { pass.places().len() } else { 0 };
        Self { simd, pass, gradient: vec![simd.zero::<T>(); groups], online: None }
    }

    /// The same for this loss and its gradients: with a shorter way to them, where there is one.
    pub(crate) fn with_loss(self, layout: &Layout, needs: Needs, loss: Loss) -> Self {
        let online =
            if needs.carried { None } else { Online::new(self.simd, layout, needs.steps, loss) };
        Self { online, ..self }
    }

    /// Whether gradients need the [`crate::transposed::Transposed`] weights.
    pub(crate) fn needs_transposed(&self) -> bool {
        self.online.is_none()
    }

    /// The gradient that [`Self::set`] left, in the layout's order.
    pub(crate) fn gradient(&self) -> &[T] {
        numbers(&self.gradient)
    }

    /// The same, to be changed.
    pub(crate) fn gradient_mut(&mut self) -> &mut [T] {
        numbers_mut(&mut self.gradient)
    }

    /// `Σ loss` of some pieces; sets the gradient to theirs.
    pub(crate) fn set(
        &mut self,
        problem: &Problem<'_, T>,
        pieces: impl Iterator<Item = Segment>,
        aim: Aim<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        if let Some(&next) = problem.upcoming.first() {
            let next = problem.data.features(next as usize);
            for number in next[..next.len().min(AHEAD)].iter().step_by(T::LANES) {
                self.simd.prefetch(number);
            }
        }
        let (mut total, mut first) = (0.0, true);
        for piece in pieces {
            if let Some(online) = &mut self.online {
                let target = (&mut self.gradient[..], self.pass.places(), first);
                let rows = (&problem.data.piece(piece), piece.steps as usize);
                total += online.run(self.simd, &problem.model, rows, &aim, target);
                pulse.spend(3 * piece.steps as usize * problem.model.layout.len())?;
                first = false;
                continue;
            }
            let trace = self.forward(problem, piece, aim, pulse)?;
            if let Some((carry, _)) = problem.carry {
                let hidden = problem.model.config.shape.hidden;
                carry.keep::<ByUnit, _>(trace, hidden, std::iter::once((0, piece)));
            }
            total += self.pass.loss(problem.model, aim);
            if aim.gradient {
                self.pass.backward(problem.model, (&mut self.gradient, first), pulse)?;
            }
            first = false;
        }
        Ok(total)
    }

    /// Computes states and outputs of one sequence, which stand in the trace then.
    pub(crate) fn forward(
        &mut self,
        problem: &Problem<'_, T>,
        piece: Segment,
        aim: Aim<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<&Trace<T::Lanes<S>>> {
        self.load(problem, piece);
        let config = problem.model.config;
        self.pass.set_masks(config, aim.masks, std::iter::once((0, piece)));
        self.pass.forward(problem.model, &[], pulse)?;
        Ok(&self.pass.trace)
    }

    /// Turns the pre-activations that [`Self::forward`] left into outputs.
    pub(crate) fn activate(&mut self, problem: &Problem<'_, T>, loss: Loss) -> &Trace<T::Lanes<S>> {
        self.pass.activate(problem.model, loss);
        &self.pass.trace
    }

    /// Takes a piece of a sequence into the trace.
    fn load(&mut self, problem: &Problem<'_, T>, piece: Segment) {
        let config = problem.model.config;
        let rows = problem.data.piece(piece);
        let trace = &mut self.pass.trace;
        trace.steps = piece.steps as usize;
        let stride = ByUnit::groups(config.shape.input, T::LANES) * T::LANES;
        let x = numbers_mut(&mut trace.x).chunks_exact_mut(stride);
        for (to, x) in x.zip(rows.features.chunks_exact(config.shape.input)) {
            to[..x.len()].copy_from_slice(x);
        }
        for (to, &label) in trace.labels.iter_mut().zip(rows.labels) {
            *to = self.simd.splat(label);
        }
        for (to, &weight) in trace.weights.iter_mut().zip(rows.weights) {
            *to = self.simd.splat(weight);
        }
        if let Some((carry, first)) = problem.carry {
            trace.set_carried(!first);
            let pieces = std::iter::once((0, piece));
            carry.load::<ByUnit, _>(trace, config.shape.hidden, pieces);
        }
    }
}

/// The buffers of a thread that works on tiles.
pub(crate) struct TileWorker<T: Real, S: Simd> {
    simd: S,
    pass: Pass<BySequence, T::Lanes<S>>,
    /// The gradient of each lane.
    lanes: Vec<T::Lanes<S>>,
}

impl<T: Real, S: Simd> TileWorker<T, S> {
    /// The numbers in its buffers.
    pub(crate) fn size(layout: &Layout, needs: Needs) -> usize {
        let purpose = needs.purpose(layout);
        let groups = |tensor: &crate::Tensor| tensor.groups::<BySequence>(T::LANES);
        let gradient: usize = layout.tensors().iter().map(groups).sum();
        Trace::<T::Lanes<S>>::size::<BySequence>(layout.config(), needs.steps, purpose)
            + if needs.training { T::LANES * gradient } else { 0 }
    }

    pub(crate) fn new(simd: S, layout: &Layout, needs: Needs) -> Self {
        let pass: Pass<BySequence, T::Lanes<S>> =
            Pass::new(simd, layout, needs.steps, needs.purpose(layout));
        let groups = if needs.training { pass.places().len() } else { 0 };
        Self { simd, pass, lanes: vec![simd.zero::<T>(); groups] }
    }

    /// `Σ loss` of some tiles; sets `gradient` to theirs.
    pub(crate) fn set(
        &mut self,
        problem: &Problem<'_, T>,
        (plan, tiles): (&Plan, Range<usize>),
        aim: Aim<T>,
        gradient: &mut Aligned<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<f64> {
        let mut total = 0.0;
        let (config, data) = (problem.model.config, problem.data);
        for number in tiles.clone() {
            let lanes = plan.tile(number);
            let columns = data.label_columns();
            let trace = &mut self.pass.trace;
            let nan = T::from_f64(f64::NAN);
            gather(self.simd, lanes, columns, |s| data.labels_of(s), nan, &mut trace.labels);
            if data.has_weights() {
                let weights = |s| data.weights_of(s);
                gather(self.simd, lanes, columns, weights, T::ZERO, &mut trace.weights);
            }
            let next = (number + 1 < tiles.end).then(|| plan.tile(number + 1));
            self.forward(problem, (lanes, next), aim, pulse)?;
            if let Some((carry, _)) = problem.carry {
                let trace = &self.pass.trace;
                carry.keep::<BySequence, _>(trace, config.shape.hidden, lanes.pieces());
            }
            total += self.pass.loss(problem.model, aim);
            if aim.gradient {
                let first = number == tiles.start;
                self.pass.backward(problem.model, (&mut self.lanes, first), pulse)?;
            }
        }
        if aim.gradient {
            self.reduce(problem.model.layout, gradient);
        }
        Ok(total)
    }

    /// Sums the lanes' gradients up.
    fn reduce(&self, layout: &Layout, gradient: &mut [T]) {
        for (number, tensor) in layout.tensors().iter().enumerate() {
            let lanes = &self.lanes[self.pass.places().range(number)];
            reduce_lanes(self.simd, lanes, tensor.columns(), &mut gradient[layout.range(number)]);
        }
    }

    /// Computes states and outputs' pre-activations of one tile.
    fn forward(
        &mut self,
        problem: &Problem<'_, T>,
        (lanes, next): (TilePlan<'_>, Option<TilePlan<'_>>),
        aim: Aim<T>,
        pulse: &mut Pulse<'_>,
    ) -> Result<()> {
        let (config, data) = (problem.model.config, problem.data);
        let trace = &mut self.pass.trace;
        trace.steps = lanes.steps();
        trace.starts.clear();
        for lane in 0..lanes.lanes() {
            let segments = lanes.lane(lane);
            if segments.len() == 1 && lanes.load(lane) == lanes.steps() {
                continue;
            }
            let inner = segments.iter().map(|segment| segment.start as usize);
            for t in inner.chain(lanes.load(lane)..lanes.steps()) {
                trace.starts.add(t, lane);
            }
        }
        let features = |s| data.features_of(s);
        gather(self.simd, lanes, config.shape.input, features, T::ZERO, &mut trace.x);
        if let Some((carry, first)) = problem.carry {
            trace.set_carried(!first);
            carry.load::<BySequence, _>(trace, config.shape.hidden, lanes.pieces());
        }
        self.pass.set_masks(config, aim.masks, lanes.pieces());
        self.pass.forward(problem.model, &ahead(problem, next)[..T::LANES], pulse)
    }

    /// Computes the outputs of one tile and hands them to `take`, as [`scatter`] does.
    pub(crate) fn outputs(
        &mut self,
        problem: &Problem<'_, T>,
        (lanes, next): (TilePlan<'_>, Option<TilePlan<'_>>),
        aim: Aim<T>,
        pulse: &mut Pulse<'_>,
        take: impl FnMut(u32, usize, &[T]),
    ) -> Result<()> {
        self.forward(problem, (lanes, next), aim, pulse)?;
        self.pass.activate(problem.model, aim.loss);
        let outputs = problem.model.config.shape.output;
        scatter(self.simd, lanes, outputs, &self.pass.trace.logits, take);
        Ok(())
    }
}

/// The inputs that the lanes of the next tile begin with.
fn ahead<'a, T: Real>(
    problem: &Problem<'a, T>,
    next: Option<TilePlan<'_>>,
) -> [&'a [T]; MOST_LANES] {
    let mut inputs: [&[T]; MOST_LANES] = [&[]; MOST_LANES];
    for (lane, inputs) in inputs.iter_mut().enumerate().take(T::LANES) {
        let sequence = match next {
            Some(next) => next.lane(lane).first().map(|segment| segment.sequence),
            None => problem.upcoming.get(lane).copied(),
        };
        *inputs = sequence.map_or(&[], |s| problem.data.features(s as usize));
    }
    inputs
}
