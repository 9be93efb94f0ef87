//! Single events of a scorer.

use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::HashedKey;

use super::keyed::{Held, Keyed, Refused, Scalers};
use crate::boundary::{Scalar, caught};
use crate::features::{Target, with_row};

/// The most outputs of an event that are kept without an allocation.
const FEW: usize = 8;

impl<T: Scalar> Keyed<T> {
    /// The outputs of one event, in `out` or as a new array, and whether the entity is new.
    pub(super) fn score<'py>(
        &self,
        (key, time): (HashedKey<'_>, Option<f64>),
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        let py = features.py();
        let row = self.rows.row(features, self.sizes.0)?;
        let event = (key, time.as_ref().map(std::slice::from_ref));
        // Avoids an allocation for few outputs.
        let (mut few, mut many) = ([T::ZERO; FEW], Vec::new());
        let y = if self.sizes.1 <= FEW {
            &mut few[..self.sizes.1]
        } else {
            many.resize(self.sizes.1, T::ZERO);
            &mut many[..]
        };
        let (scored, target) = loop {
            // A subclass of arrays may run any Python code here, so no lock may be held.
            let target = out.as_ref().map(|out| Target::of(out, self.sizes.1, self.restores()));
            let target = target.transpose()?;
            let restored = target.as_ref().map(Target::is_restored);
            let scored = with_row!(row, values => self.one(py, restored, &event, values, y))
                .map_err(|refused| {
                    with_row!(row, values => refused.exception(&self.rows, values, values.len()))
                })?;
            if let Some(scored) = scored {
                break (scored, target);
            }
        };
        let restored = scored.scalers.map(|scalers| {
            let mut restored = vec![0.0; y.len()];
            scalers.labels.restore(y, &mut restored);
            restored
        });
        if let Some(target) = target {
            target.write(y, restored.as_deref().unwrap_or_default())?;
        }
        let outputs = out.unwrap_or_else(|| match restored {
            Some(restored) => PyArray1::from_vec(py, restored).into_any(),
            None => PyArray1::from_slice(py, y).into_any(),
        });
        Ok((outputs, scored.new))
    }

    /// Sets the outputs of one event. If the caller already decided whether they are `restored`, but
    /// the network has since been swapped for one that differs in this: changes nothing and returns
    /// `None`.
    fn one<N: core::Real>(
        &self,
        py: Python<'_>,
        restored: Option<bool>,
        (key, times): &(HashedKey<'_>, Option<&[f64]>),
        values: &[N],
        y: &mut [T],
    ) -> Result<Option<Scored>, Refused> {
        let (mut new, mut scored) = ([false], Ok(None));
        let work = |held: &mut Held<T>| {
            let Held { scorer, scalers, x } = held;
            if restored.is_some_and(|restored| restored != scalers.restore()) {
                return Ok(None);
            }
            if let Some(at) = scalers.features.scale(values, x) {
                return Err(Refused::NotFinite(at));
            }
            let keys = (std::slice::from_ref(key), *times);
            scorer.score(keys, x, (&mut *y, &mut new)).map_err(Refused::Engine)?;
            let scalers = scalers.restore().then(|| Arc::clone(scalers));
            Ok(Some(Scored { new: new[0], scalers }))
        };
        // Assigned, not returned: returning it through `caught` would copy it, which shows in the time
        // of an event.
        caught(|| scored = self.with_held(py, work)).map_err(Refused::Panicked)?;
        scored
    }
}

/// The result of scoring an event, besides its outputs.
struct Scored {
    /// Whether its entity is new.
    new: bool,
    /// The scalers that restore its outputs to original units, if any.
    scalers: Option<Arc<Scalers>>,
}
