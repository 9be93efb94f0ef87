//! Single events of a scorer.

use std::sync::RwLockReadGuard;

use numpy::PyArray1;
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::HashedKey;

use super::keyed::{Held, Keyed, Refused, Scalers};
use crate::boundary::{Scalar, caught};
use crate::features::{Target, with_row};

/// Outputs of one event that need no allocation.
const FEW: usize = 8;

impl<T: Scalar> Keyed<T> {
    /// Outputs after one event, in `out` or as a new array, and whether the entity is new.
    pub(super) fn score<'py>(
        &self,
        (key, time): (HashedKey<'_>, Option<f64>),
        features: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        let py = features.py();
        let row = self.rows.row(features, self.sizes.0)?;
        let event = (key, time.as_ref().map(std::slice::from_ref));
        // Without an allocation where there are few.
        let (mut few, mut many) = ([T::ZERO; FEW], Vec::new());
        let y = if self.sizes.1 <= FEW {
            &mut few[..self.sizes.1]
        } else {
            many.resize(self.sizes.1, T::ZERO);
            &mut many[..]
        };
        let (scalers, target) = self.prepared(py, out.as_ref())?;
        let scored = with_row!(row, values => self.one(py, &scalers, event, values, y));
        let restored = (!scalers.labels.is_empty()).then(|| {
            let mut restored = vec![0.0; y.len()];
            scalers.labels.restore(y, &mut restored);
            restored
        });
        // Before there is an exception or an array.
        drop(scalers);
        let new = scored.map_err(
            |refused| with_row!(row, values => refused.exception(&self.rows, values, values.len())),
        )?;
        if let Some(target) = target {
            target.write(y, restored.as_deref().unwrap_or_default())?;
        }
        let outputs = out.unwrap_or_else(|| match restored {
            Some(restored) => PyArray1::from_vec(py, restored).into_any(),
            None => PyArray1::from_slice(py, y).into_any(),
        });
        Ok((outputs, new))
    }

    /// The scalers, and `out` as an array for outputs that they have restored or not, if there is one.
    fn prepared<'py>(
        &self,
        py: Python<'py>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(RwLockReadGuard<'_, Scalers>, Option<Target<'py, T>>)> {
        let Some(out) = out else { return Ok((self.scalers(py)?, None)) };
        loop {
            let restored = !self.scalers(py)?.labels.is_empty();
            // A subclass of arrays may run any Python code here, so that no lock is held.
            let target = Target::of(out, self.sizes.1, restored)?;
            let scalers = self.scalers(py)?;
            // They may have been swapped meanwhile.
            if scalers.labels.is_empty() != restored {
                return Ok((scalers, Some(target)));
            }
        }
    }

    /// Sets the outputs of one event; returns whether its entity is new.
    fn one<N: core::Real>(
        &self,
        py: Python<'_>,
        scalers: &Scalers,
        (key, times): (HashedKey<'_>, Option<&[f64]>),
        values: &[N],
        y: &mut [T],
    ) -> Result<bool, Refused> {
        let (mut new, mut scored) = ([false], Ok(()));
        let work = |held: &mut Held<T>| {
            if let Some(at) = scalers.features.scale(values, &mut held.x) {
                return Err(Refused::NotFinite(at));
            }
            let keys = (std::slice::from_ref(&key), times);
            held.scorer.score(keys, &held.x, (&mut *y, &mut new)).map_err(Refused::Engine)
        };
        // Assigned and not returned: returned through `caught` it would be copied, which shows in the
        // time of an event.
        caught(|| scored = self.with_held(py, work)).map_err(Refused::Panicked)?;
        scored.map(|()| new[0])
    }
}
