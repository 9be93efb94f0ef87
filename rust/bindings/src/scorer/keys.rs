//! Keys from Python: ints, strings, bytes; one or many.

use std::ops::Range;

use numpy::{PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use rnn_rust::{HashedKey, Key, KeyHasher};

use crate::boundary::{as_tuple, data_error, if_possible, shape_error, shown};

/// The key of one entity.
pub(super) fn key_of<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Key<'a>> {
    if let Ok(text) = value.cast::<PyString>() {
        return match if_possible(value.py(), text.to_str())? {
            Some(text) => Ok(Key::Text(text)),
            None => Err(data_error(format!(
                "the key {} has half of a surrogate pair, which is no character; give a str \
                 without, or bytes",
                shown(value)?,
            ))),
        };
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Key::Bytes(bytes.as_bytes()));
    }
    match number(value)? {
        Some(key) => Ok(key),
        None => Err(PyTypeError::new_err(format!(
            "a key is an int of 64 bits, a str or bytes, not {}",
            shown(value)?,
        ))),
    }
}

/// An int from Python or NumPy.
fn number<'a>(value: &Bound<'_, PyAny>) -> PyResult<Option<Key<'a>>> {
    if let Some(signed) = if_possible(value.py(), value.extract::<i64>())? {
        return Ok(Some(signed.into()));
    }
    Ok(if_possible(value.py(), value.extract::<u64>())?.map(Key::from))
}

/// The keys of many events, borrowed or copied from Python.
pub(super) enum Keys<'py> {
    Signed(PyReadonlyArray1<'py, i64>),
    Unsigned(PyReadonlyArray1<'py, u64>),
    Any(CopiedKeys),
}

/// Keys of any type, with their strings and bytes concatenated.
#[derive(Default)]
pub(super) struct CopiedKeys {
    keys: Vec<CopiedKey>,
    texts: String,
    bytes: Vec<u8>,
}

enum CopiedKey {
    Number(u64),
    Negative(i64),
    Text(Range<usize>),
    Bytes(Range<usize>),
}

impl<'py> Keys<'py> {
    pub(super) fn of(values: &Bound<'py, PyAny>) -> PyResult<Self> {
        if values.is_instance_of::<PyString>() || values.is_instance_of::<PyBytes>() {
            let text = "keys are several, a list or an array; score takes a single one";
            return Err(PyTypeError::new_err(text));
        }
        Self::converted(values, true)
    }

    /// Keys from `values`, which are converted once if they may be a `column` of a frame.
    fn converted(values: &Bound<'py, PyAny>, column: bool) -> PyResult<Self> {
        if let Ok(list) = values.cast::<PyList>() {
            return CopiedKeys::of(list.iter()).map(Self::Any);
        }
        let Ok(array) = values.cast::<PyUntypedArray>() else {
            // Columns of frames: pyarrow's, and others.
            for name in ["to_pylist", "__array__"] {
                if let Some(method) = values.getattr_opt(name)?.filter(|_| column) {
                    return Self::converted(&method.call0()?, false);
                }
            }
            let Some(each) = if_possible(values.py(), values.try_iter())? else {
                return Err(shape_error(format!(
                    "keys: {}; give a list or an array, one key for each event",
                    shown(values)?,
                )));
            };
            let values = each.collect::<PyResult<Vec<_>>>()?;
            return CopiedKeys::of(values.into_iter()).map(Self::Any);
        };
        if !values.is_exact_instance_of::<PyUntypedArray>() && values.hasattr("mask")? {
            return Err(PyTypeError::new_err("keys have a mask; leave out what it hides"));
        }
        if array.ndim() != 1 {
            let shape = as_tuple(array.shape());
            return Err(shape_error(format!("keys: shape {shape}; give one for each event")));
        }
        if let Ok(array) = values.extract::<PyReadonlyArray1<'py, i64>>()
            && array.as_slice().is_ok()
        {
            return Ok(Self::Signed(array));
        }
        if let Ok(array) = values.extract::<PyReadonlyArray1<'py, u64>>()
            && array.as_slice().is_ok()
        {
            return Ok(Self::Unsigned(array));
        }
        let kind: String = array.dtype().getattr("kind")?.extract()?;
        for (refused, name) in [("f", "floats"), ("m", "durations"), ("M", "dates")] {
            if kind == refused && array.shape() != [0] {
                let text = format!("keys are {name}; a key is an int, a str or bytes");
                return Err(PyTypeError::new_err(text));
            }
        }
        CopiedKeys::of(values.call_method0("tolist")?.cast::<PyList>()?.iter()).map(Self::Any)
    }

    pub(super) fn view(&self) -> PyResult<KeyView<'_>> {
        Ok(match self {
            Self::Signed(array) => KeyView::Signed(array.as_slice()?),
            Self::Unsigned(array) => KeyView::Unsigned(array.as_slice()?),
            Self::Any(keys) => KeyView::Any(keys),
        })
    }
}

impl CopiedKeys {
    fn of<'py>(values: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<Self> {
        let mut all = Self::default();
        all.keys.reserve(values.size_hint().0);
        for value in values {
            let key = match key_of(&value)? {
                Key::Number(number) => CopiedKey::Number(number),
                Key::Negative(number) => CopiedKey::Negative(number),
                Key::Text(text) => {
                    let start = all.texts.len();
                    all.texts.push_str(text);
                    CopiedKey::Text(start..all.texts.len())
                }
                Key::Bytes(bytes) => {
                    let start = all.bytes.len();
                    all.bytes.extend_from_slice(bytes);
                    CopiedKey::Bytes(start..all.bytes.len())
                }
            };
            all.keys.push(key);
        }
        Ok(all)
    }

    fn get(&self, at: usize) -> Key<'_> {
        match &self.keys[at] {
            CopiedKey::Number(number) => Key::Number(*number),
            CopiedKey::Negative(number) => Key::Negative(*number),
            CopiedKey::Text(range) => Key::Text(&self.texts[range.clone()]),
            CopiedKey::Bytes(range) => Key::Bytes(&self.bytes[range.clone()]),
        }
    }
}

/// Keys that can be read without the interpreter.
#[derive(Clone, Copy)]
pub(super) enum KeyView<'a> {
    Signed(&'a [i64]),
    Unsigned(&'a [u64]),
    Any(&'a CopiedKeys),
}

impl<'a> KeyView<'a> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Signed(keys) => keys.len(),
            Self::Unsigned(keys) => keys.len(),
            Self::Any(keys) => keys.keys.len(),
        }
    }

    /// Sets `hashed` to the keys of some events.
    pub(super) fn hashed(
        self,
        events: Range<usize>,
        hasher: &KeyHasher,
        hashed: &mut Vec<HashedKey<'a>>,
    ) {
        hashed.clear();
        match self {
            Self::Signed(keys) => {
                hashed.extend(keys[events].iter().map(|&key| hasher.hashed(key.into())));
            }
            Self::Unsigned(keys) => {
                hashed.extend(keys[events].iter().map(|&key| hasher.hashed(key.into())));
            }
            Self::Any(keys) => hashed.extend(events.map(|at| hasher.hashed(keys.get(at)))),
        }
    }
}
