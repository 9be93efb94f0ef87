//! Single events of a scorer.

use numpy::{PyArray1, PyReadwriteArray1};
use pyo3::prelude::*;
use rnn_rust as core;
use rnn_rust::HashedKey;

use super::keyed::{Held, Keyed, Refused, Units};
use crate::boundary::Scalar;
use crate::features::{with_row, writable};

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
        let units = self.units(py)?;
        let event = (key, time.as_ref().map(std::slice::from_ref));
        // Without an allocation where there are few.
        let (mut few, mut many) = ([T::ZERO; FEW], Vec::new());
        let y = if self.sizes.1 <= FEW {
            &mut few[..self.sizes.1]
        } else {
            many.resize(self.sizes.1, T::ZERO);
            &mut many[..]
        };
        if units.labels.is_empty() {
            let target = self.target::<T>(out, "the model's dtype")?;
            let new = with_row!(row, values => self.one(py, &units, event, values, y))?;
            return Ok((place(py, y, target)?, new));
        }
        let target = self.target::<f64>(out, "dtype float64")?;
        let new = with_row!(row, values => self.one(py, &units, event, values, y))?;
        let mut restored = vec![0.0; y.len()];
        units.labels.restore(y, &mut restored);
        Ok((place(py, &restored, target)?, new))
    }

    /// `out` as an array for the outputs of an event, if there is one.
    fn target<'py, N: Scalar>(
        &self,
        out: Option<Bound<'py, PyAny>>,
        dtype: &str,
    ) -> PyResult<Option<Target<'py, N>>> {
        out.map(|out| Ok((writable(&out, self.sizes.1, dtype)?, out))).transpose()
    }

    /// Sets the outputs of one event; returns whether its entity is new.
    fn one<N: core::Real>(
        &self,
        py: Python<'_>,
        units: &Units,
        (key, times): (HashedKey<'_>, Option<&[f64]>),
        values: &[N],
        y: &mut [T],
    ) -> PyResult<bool> {
        let mut new = [false];
        let work = |held: &mut Held<T>| {
            if let Some(at) = units.features.scale(values, &mut held.x) {
                return Err(Refused::NotFinite(at));
            }
            let keys = (std::slice::from_ref(&key), times);
            held.scorer.score(keys, &held.x, (&mut *y, &mut new)).map_err(Refused::Engine)
        };
        match self.with_held(py, work) {
            Ok(()) => Ok(new[0]),
            Err(refused) => Err(refused.exception(values, values.len())),
        }
    }
}

/// An array to write outputs to, and the same as Python has it.
type Target<'py, N> = (PyReadwriteArray1<'py, N>, Bound<'py, PyAny>);

/// Outputs in an array: in `target`, or a new one.
fn place<'py, N: Scalar>(
    py: Python<'py>,
    values: &[N],
    target: Option<Target<'py, N>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some((mut array, out)) = target else {
        return Ok(PyArray1::from_slice(py, values).into_any());
    };
    array.as_slice_mut()?.copy_from_slice(values);
    Ok(out)
}
