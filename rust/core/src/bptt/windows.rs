//! Long passes in windows: only the states at which windows start are kept, and the backward pass
//! recomputes each window's forward pass (Chen et al., 2016, "Training Deep Nets with Sublinear Memory
//! Cost"). A trace larger than the caches costs more than the recomputation.

use super::inputs::{InputSizes, PassInputs};
use super::pass::Pass;
use super::request::LossRequest;
use super::spec::BufferSpec;
use super::trace::{StateRows, Trace, chunk_steps};
use crate::context::CancelCheck;
use crate::error::Result;
use crate::lanes::Real;
use crate::lanes::simd::{Lanes, Simd, numbers_mut};
use crate::packing::{Columns, Packing};
use crate::weights::{Layout, NetworkView};

/// Approximate size of a window's trace, in bytes.
const WINDOW_BYTES: usize = 1 << 20;
/// Trace sizes, in bytes, from which a pass goes in windows: for a forward pass alone, which recomputes
/// nothing, and with a backward pass.
const LONG_FORWARD: usize = 2 * WINDOW_BYTES;
const LONG: usize = 16 * WINDOW_BYTES;

/// One window of a pass, numbered in order of time.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) number: usize,
    /// Whether it is the last in time.
    last: bool,
    /// Whether its loss is wanted; otherwise only its final states are.
    pub(crate) loss: bool,
    /// Whether the window after it is still to be computed.
    next: bool,
}

/// The order in which windows are computed. For a gradient: first all but the last, for their final
/// states, then all from last to first. Otherwise once each.
pub(crate) fn windows(count: usize, gradient: bool) -> impl Iterator<Item = Window> {
    let forward = if gradient { count - 1 } else { count };
    let again = if gradient { count } else { 0 };
    let window = move |number, loss, next| {
        let last = number + 1 == count;
        Window { number, last, loss, next: next && !last }
    };
    let forward = (0..forward).map(move |number| window(number, !gradient, true));
    forward.chain((0..again).rev().map(move |number| window(number, true, false)))
}

impl<P: Packing, T: Real, S: Simd, V: Lanes<Elem = T, Simd = S>> Pass<P, V> {
    /// Finishes a window after its forward pass: keeps its final states, or returns its `Σ loss` and
    /// adds its gradient.
    pub(crate) fn finish_window(
        &mut self,
        network: NetworkView<'_, T>,
        (window, inputs): (Window, PassInputs<'_, V>),
        request: &LossRequest<T>,
        (gradient, cancel): (&mut [T], &mut CancelCheck<'_>),
    ) -> Result<f64> {
        if window.next {
            self.trace.keep_states(window.number + 1);
        }
        if !window.loss {
            return Ok(0.0);
        }
        let loss = self.loss(network, inputs, request);
        if request.gradient {
            self.backward(network, inputs.x, (gradient, window.last), cancel)?;
        }
        Ok(loss)
    }
}

impl BufferSpec {
    /// The size of the buffers of a pass and of its inputs, in numbers.
    pub(crate) fn size<P: Packing, V: Lanes>(self, layout: &Layout) -> usize {
        let inputs = InputSizes::new::<P, V>(layout, self).total();
        Trace::<V>::size::<P>(layout, self) + inputs * V::LEN
    }

    /// Switches to windows if the trace would be long, provided that the network reads forward only and
    /// its head reads one step at a time. Depends on the shape alone, so that the bits are the same on
    /// all machines.
    pub(crate) fn in_windows<P: Packing, V: Lanes>(self, layout: &Layout) -> Self {
        let config = layout.config();
        let bytes = self.size::<P, V>(layout) * size_of::<V::Elem>();
        let long = if self.backward { LONG } else { LONG_FORWARD };
        if self.carried || config.directions() > 1 || config.pools() || bytes < long {
            return self;
        }
        let chunk = chunk_steps(layout.len());
        let chunks = WINDOW_BYTES / (bytes.div_ceil(self.steps) * chunk);
        let steps = (chunks.max(1) * chunk).min(self.steps);
        Self { steps, carried: true, windows: self.steps.div_ceil(steps), ..self }
    }
}

impl<V: Lanes> Trace<V> {
    /// Keeps the states after the last step, at which window number `window` starts.
    pub(crate) fn keep_states(&mut self, window: usize) {
        let row = self.zeros.len();
        let last = (self.steps - 1) * row..self.steps * row;
        let first = 2 * window * self.layers.len();
        let mut to = self.window_states[first * row..].chunks_exact_mut(row);
        for layer in &self.layers {
            let (h, c) = (to.next(), to.next());
            h.expect("a row").copy_from_slice(&layer.states[last.clone()]);
            let cells = &layer.directions[0].cells;
            if !cells.is_empty() {
                c.expect("a row").copy_from_slice(&cells[last.clone()]);
            }
        }
    }

    /// Sets the states that the first step starts from: 0 for the first window, else those kept.
    pub(crate) fn start_window(&mut self, window: usize) {
        self.set_carried(window > 0);
        if window == 0 {
            return;
        }
        let row = self.zeros.len();
        let first = 2 * window * self.layers.len();
        let mut from = self.window_states[first * row..].chunks_exact(row);
        for layer in &mut self.layers {
            let StateRows { h, c } = &mut layer.directions[0].initial;
            h.copy_from_slice(from.next().expect("a row"));
            c.copy_from_slice(from.next().expect("a row"));
        }
    }

    /// Makes `lane` start from 0 at the first step of any window.
    pub(crate) fn clear_initial<P: Packing>(&mut self, lane: usize, hidden: usize) {
        for layer in &mut self.layers {
            layer.directions[0].initial.clear::<P>(lane, hidden);
        }
    }

    /// Stops derivatives from passing from `lane` to earlier steps.
    pub(crate) fn clear_derivative<P: Packing>(&mut self, lane: usize, hidden: usize) {
        for layer in &mut self.layers {
            layer.directions[0].derivative.clear::<P>(lane, hidden);
        }
    }
}

impl<V: Lanes> StateRows<V> {
    fn clear<P: Packing>(&mut self, lane: usize, hidden: usize) {
        let columns = Columns::new(1, hidden);
        for row in [&mut self.h, &mut self.c] {
            let numbers = numbers_mut(row);
            for i in 0..hidden {
                numbers[P::position(columns, i, lane, V::LEN)] = V::Elem::ZERO;
            }
        }
    }
}
