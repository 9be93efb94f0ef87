//! The entities of a scorer, to arrays and back.
//!
//! | array | contents |
//! |---|---|
//! | `kinds` | of each key: 0, a number of at least 0; 1, one below 0; 2, a text; 3, bytes |
//! | `keys` | of each key: the number; or where its text or its bytes end in `texts` |
//! | `texts` | texts and bytes, back to back |
//! | `times` | the time of each entity's last event |
//! | `states` | a row for each entity |
//! | `given_up` | how many entities were evicted, and how many have expired |

use std::str::from_utf8;

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rnn_rust::{Key, ScorerCopy};

use crate::boundary::{Scalar, as_tuple, data_error, detached};

const NUMBER: u8 = 0;
const NEGATIVE: u8 = 1;
const TEXT: u8 = 2;
const BYTES: u8 = 3;

#[derive(Default)]
struct Columns {
    kinds: Vec<u8>,
    keys: Vec<u64>,
    texts: Vec<u8>,
    times: Vec<f64>,
    rows: Vec<u32>,
}

impl Columns {
    fn of<T: Scalar>(copy: &ScorerCopy<T>) -> Self {
        let mut own = Self::default();
        for (key, time, row) in copy.iter() {
            let (kind, number) = match key {
                Key::Number(number) => (NUMBER, number),
                Key::Negative(number) => (NEGATIVE, number.cast_unsigned()),
                Key::Text(text) => {
                    own.texts.extend_from_slice(text.as_bytes());
                    (TEXT, own.texts.len() as u64)
                }
                Key::Bytes(bytes) => {
                    own.texts.extend_from_slice(bytes);
                    (BYTES, own.texts.len() as u64)
                }
            };
            own.kinds.push(kind);
            own.keys.push(number);
            own.times.push(time);
            own.rows.push(row);
        }
        own
    }
}

/// The arrays for a copy, and the row of each entity.
pub(super) fn to_arrays<T: Scalar>(
    py: Python<'_>,
    copy: ScorerCopy<T>,
) -> PyResult<(Bound<'_, PyDict>, Bound<'_, PyAny>)> {
    let given_up = copy.given_up();
    let (columns, states) = detached(py, || {
        let states = copy.states()?;
        let columns = Columns::of(&copy);
        drop(copy);
        Ok((columns, states))
    })?;
    let (count, dict) = (columns.kinds.len(), PyDict::new(py));
    let width = states.len().checked_div(count).unwrap_or(0);
    dict.set_item("kinds", PyArray1::from_vec(py, columns.kinds))?;
    dict.set_item("keys", PyArray1::from_vec(py, columns.keys))?;
    dict.set_item("texts", PyArray1::from_vec(py, columns.texts))?;
    dict.set_item("times", PyArray1::from_vec(py, columns.times))?;
    dict.set_item("states", PyArray1::from_vec(py, states).reshape([count, width])?)?;
    dict.set_item("given_up", PyArray1::from_slice(py, &[given_up.0, given_up.1]))?;
    Ok((dict, PyArray1::from_vec(py, columns.rows).into_any()))
}

/// Entities with their states, read from arrays.
pub(super) struct Given<'a, T> {
    pub(super) entities: Vec<(Key<'a>, f64)>,
    pub(super) states: &'a [T],
    pub(super) given_up: (u64, u64),
}

/// The arrays, borrowed from Python.
pub(super) struct Arrays<'py, T: Scalar> {
    kinds: PyReadonlyArray1<'py, u8>,
    keys: PyReadonlyArray1<'py, u64>,
    texts: PyReadonlyArray1<'py, u8>,
    times: PyReadonlyArray1<'py, f64>,
    states: PyReadonlyArray2<'py, T>,
    given_up: PyReadonlyArray1<'py, u64>,
}

impl<'py, T: Scalar> Arrays<'py, T> {
    pub(super) fn of(arrays: &Bound<'py, PyDict>) -> PyResult<Self> {
        let get = |name| {
            let array = arrays.get_item(name)?;
            array.ok_or_else(|| data_error(format!("there are no {name} of entities")))
        };
        let other = |_| data_error("the arrays of entities have other types or shapes".into());
        Ok(Self {
            kinds: get("kinds")?.extract().map_err(other)?,
            keys: get("keys")?.extract().map_err(other)?,
            texts: get("texts")?.extract().map_err(other)?,
            times: get("times")?.extract().map_err(other)?,
            states: get("states")?.extract().map_err(other)?,
            given_up: get("given_up")?.extract().map_err(other)?,
        })
    }

    /// Reads the arrays, with `width` numbers per state.
    pub(super) fn read(&self, width: usize) -> PyResult<Given<'_, T>> {
        let (kinds, keys) = (self.kinds.as_slice()?, self.keys.as_slice()?);
        let (times, given_up) = (self.times.as_slice()?, self.given_up.as_slice()?);
        let (count, shape) = (kinds.len(), self.states.shape());
        let fits = keys.len() == count && times.len() == count && given_up.len() == 2;
        if !fits || (count > 0 && shape != [count, width]) {
            return Err(data_error(format!(
                "{count} entities, {} keys, {} times, states of shape {}; a state has {width} \
                 numbers",
                keys.len(),
                times.len(),
                as_tuple(shape),
            )));
        }
        let (texts, mut start) = (self.texts.as_slice()?, 0);
        let mut part = |end: u64| {
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            let own = texts.get(start..end);
            start = end;
            own.ok_or_else(|| data_error("a key's text lies outside of the texts".into()))
        };
        let mut entities = Vec::with_capacity(count);
        for ((&kind, &number), &time) in kinds.iter().zip(keys).zip(times) {
            let key = match kind {
                NUMBER => Key::Number(number),
                NEGATIVE if number.cast_signed() < 0 => Key::Negative(number.cast_signed()),
                TEXT => Key::Text(
                    from_utf8(part(number)?).map_err(|_| data_error("a key is no text".into()))?,
                ),
                BYTES => Key::Bytes(part(number)?),
                _ => return Err(data_error(format!("a key of kind {kind} is not known"))),
            };
            if time.is_nan() {
                return Err(data_error("the time of an entity is NaN".into()));
            }
            entities.push((key, time));
        }
        let states = self.states.as_slice()?;
        Ok(Given { entities, states, given_up: (given_up[0], given_up[1]) })
    }
}
