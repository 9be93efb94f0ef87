//! `Sequences`: a borrowed data set of ragged sequences, one row per timestep.

use std::ops::Range;

use crate::codes::{all_known, check_categories, check_classes, check_static_categories};
use crate::config::Config;
use crate::error::{Error, Result, check_shape, shortest};
use crate::lanes::Real;
use crate::lanes::simd::Level;

/// The most steps of a sequence. Lanes count steps in 32 bits and may hold three times as many as the
/// longest sequence.
const MOST_STEPS: i64 = (u32::MAX / 4) as i64;

/// `S` sequences, back to back. Nothing is padded.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a, T> {
    features: &'a [T],
    labels: &'a [T],
    label_weights: &'a [T],
    statics: &'a [T],
    initial: &'a [T],
    offsets: &'a [i64],
    input_size: usize,
    static_size: usize,
    state_len: usize,
    label_columns: usize,
    /// Whether all labels are present.
    complete: bool,
}

impl<'a, T: Real> Sequences<'a, T> {
    /// A data set of `N` rows: `features (N, F)`, `labels (N, C)` and `offsets (S + 1,)`, all
    /// row-major; sequence `s` is rows `offsets[s]..offsets[s + 1]`.
    ///
    /// C is L, or 1 for class numbers. If the readout is per sequence, the label of a sequence is in
    /// its last row, and its other rows are NaN.
    ///
    /// `labels` may be empty if none are needed. [`crate::Error::Shape`] if the sizes do not fit, the
    /// offsets do not increase strictly from 0 to `N`, or a sequence is longer than u32::MAX / 4 steps.
    pub fn new(
        features: &'a [T],
        labels: &'a [T],
        offsets: &'a [i64],
        (input_size, label_columns): (usize, usize),
    ) -> Result<Self> {
        check_offsets(offsets)?;
        let rows = features.len().checked_div(input_size).unwrap_or(0);
        check_shape(
            rows * input_size == features.len(),
            "features",
            format_args!("rows of {input_size}"),
            format_args!("{} numbers", features.len()),
        )?;
        check_shape(
            labels.is_empty() || labels.len() == rows * label_columns,
            "labels",
            format_args!("{rows} rows of {label_columns}"),
            format_args!("{} numbers", labels.len()),
        )?;
        check_shape(
            offsets.first() == Some(&0) && offsets.last() == Some(&(rows as i64)),
            "offsets",
            format_args!("first 0 and last {rows} (the number of rows)"),
            format_args!("{:?} and {:?}", offsets.first(), offsets.last()),
        )?;
        let complete = !labels.iter().any(|label| label.is_nan());
        Ok(Self {
            features,
            labels,
            label_weights: &[],
            statics: &[],
            initial: &[],
            offsets,
            input_size,
            static_size: 0,
            state_len: 0,
            label_columns,
            complete,
        })
    }

    /// Adds a weight for each label, `(N, C)`. [`Error::Parameter`] unless all are finite and at least
    /// 0.
    pub fn with_label_weights(self, label_weights: &'a [T]) -> Result<Self> {
        check_shape(
            label_weights.len() == self.labels.len(),
            "weights",
            format_args!("{} numbers, one for each label", self.labels.len()),
            label_weights.len(),
        )?;
        let unfit = |weight: &&T| !(weight.is_finite() && **weight >= T::ZERO);
        if let Some(weight) = label_weights.iter().find(unfit) {
            let (what, expected) = ("weights", "finite and at least 0");
            return Err(Error::Parameter { what, expected, got: shortest(weight.to_f64()) });
        }
        Ok(Self { label_weights, ..self })
    }

    /// Adds static features, `(S, static_size)`: one row per sequence.
    pub fn with_statics(self, statics: &'a [T], static_size: usize) -> Result<Self> {
        check_shape(
            statics.len() == self.len() * static_size,
            "static features",
            format_args!("{} rows of {static_size}", self.len()),
            format_args!("{} numbers", statics.len()),
        )?;
        Ok(Self { statics, static_size, ..self })
    }

    /// Adds the states that the sequences start from instead of 0, `(S, state_len)`: see
    /// [`Config::state_len`].
    pub fn with_initial_states(self, initial: &'a [T], state_len: usize) -> Result<Self> {
        check_shape(
            initial.len() == self.len() * state_len,
            "initial states",
            format_args!("{} rows of {state_len}", self.len()),
            format_args!("{} numbers", initial.len()),
        )?;
        Ok(Self { initial, state_len, ..self })
    }

    /// The same sequences with other labels, `(N, C)`, which are unweighted.
    pub(crate) fn with_labels<'b>(
        &self,
        labels: &'b [T],
        label_columns: usize,
    ) -> Result<Sequences<'b, T>>
    where
        'a: 'b,
    {
        Sequences::new(self.features, labels, self.offsets, (self.input_size, label_columns))?
            .with_statics(self.statics, self.static_size)?
            .with_initial_states(self.initial, self.state_len)
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no sequences.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of rows over all sequences.
    pub fn rows(&self) -> usize {
        self.offsets[self.len()] as usize
    }

    /// Whether all labels are present.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether every row has labels (NaN counts as one).
    pub fn has_labels(&self) -> bool {
        self.labels.len() == self.rows() * self.label_columns
    }

    /// Feature columns, `F`.
    pub fn input_size(&self) -> usize {
        self.input_size
    }

    /// Whether the sequences have initial states of their own.
    pub fn has_initial_states(&self) -> bool {
        self.state_len > 0
    }

    /// The size of an initial state; 0 if all sequences start from 0.
    pub(crate) fn state_len(&self) -> usize {
        self.state_len
    }

    /// The initial state of sequence `s`; empty if it starts from 0.
    #[inline]
    pub fn initial_state(&self, s: usize) -> &'a [T] {
        &self.initial[s * self.state_len..(s + 1) * self.state_len]
    }

    /// The number of static features of a sequence.
    pub fn static_size(&self) -> usize {
        self.static_size
    }

    /// [`Error::Parameter`] if a category is unknown to the network.
    pub(crate) fn check_categories(&self, config: &Config, level: Level) -> Result<()> {
        if !all_known(level, self.features, config) {
            check_categories(self.features, config)?;
        }
        check_static_categories(self.statics, config)
    }

    /// [`Error::Parameter`] if a label is neither missing nor one of the class numbers below `count`.
    pub(crate) fn check_classes(&self, count: usize) -> Result<()> {
        check_classes(self.labels, count)
    }

    /// Label columns, `C`.
    pub fn label_columns(&self) -> usize {
        self.label_columns
    }

    /// Whether labels have weights.
    pub fn has_label_weights(&self) -> bool {
        !self.label_weights.is_empty()
    }

    /// The rows of sequence `s`.
    pub fn range(&self, s: usize) -> Range<usize> {
        self.offsets[s] as usize..self.offsets[s + 1] as usize
    }

    /// The timesteps of the longest sequence.
    pub fn longest(&self) -> usize {
        (0..self.len()).map(|s| self.range(s).len()).max().unwrap_or(0)
    }

    /// The static features of sequence `s`.
    #[inline]
    pub fn statics(&self, s: usize) -> &'a [T] {
        &self.statics[s * self.static_size..(s + 1) * self.static_size]
    }

    /// The features of sequence `s`, `(T, F)`.
    pub fn features(&self, s: usize) -> &'a [T] {
        part(self.features, self.range(s), self.input_size)
    }

    /// The labels of sequence `s`, `(T, C)`.
    pub fn labels(&self, s: usize) -> &'a [T] {
        part(self.labels, self.range(s), self.label_columns)
    }

    /// The weights of the labels of sequence `s`, `(T, C)`; empty if they have none.
    pub fn label_weights(&self, s: usize) -> &'a [T] {
        part_if_any(self.label_weights, self.range(s), self.label_columns)
    }

    /// A sequence, or a window (from, how many) of its steps, as a segment at the start of a lane;
    /// `None` if the sequence ends before the window.
    #[inline]
    pub(crate) fn segment(
        &self,
        (position, sequence): (usize, u32),
        window: Option<(usize, usize)>,
    ) -> Option<Segment> {
        let steps = self.range(sequence as usize).len();
        let (from, most) = window.unwrap_or((0, steps));
        let steps = steps.saturating_sub(from).min(most);
        let (position, from, steps) = (position as u32, from as u32, steps as u32);
        (steps > 0).then_some(Segment { sequence, position, from, steps, start: 0 })
    }

    /// The rows of a segment: features, labels and their weights.
    #[inline]
    pub(crate) fn segment_rows(&self, segment: Segment) -> SegmentRows<'a, T> {
        SegmentRows {
            features: self.features_of(segment),
            labels: self.labels_of(segment),
            label_weights: self.label_weights_of(segment),
        }
    }

    /// The features of a segment, `(steps, F)`.
    #[inline]
    pub(crate) fn features_of(&self, segment: Segment) -> &'a [T] {
        part(self.features, self.rows_of(segment), self.input_size)
    }

    /// The labels of a segment, `(steps, C)`; empty if there are none.
    #[inline]
    pub(crate) fn labels_of(&self, segment: Segment) -> &'a [T] {
        part_if_any(self.labels, self.rows_of(segment), self.label_columns)
    }

    /// The weights of a segment's labels, `(steps, C)`; empty if there are none.
    #[inline]
    pub(crate) fn label_weights_of(&self, segment: Segment) -> &'a [T] {
        part_if_any(self.label_weights, self.rows_of(segment), self.label_columns)
    }

    #[inline]
    fn rows_of(&self, segment: Segment) -> Range<usize> {
        let start = self.offsets[segment.sequence as usize] as usize + segment.from as usize;
        start..start + segment.steps as usize
    }
}

/// Checks that there are not too many sequences and that none is empty or too long.
fn check_offsets(offsets: &[i64]) -> Result<()> {
    check_shape(
        u32::try_from(offsets.len()).is_ok(),
        "offsets",
        format_args!("fewer than {} sequences", u32::MAX),
        offsets.len().saturating_sub(1),
    )?;
    let bad = offsets.windows(2).position(|pair| pair[0] >= pair[1]);
    check_shape(
        bad.is_none(),
        "offsets",
        "each above the last",
        format_args!("no increase after position {}", bad.unwrap_or(0)),
    )?;
    let long = offsets.windows(2).find(|pair| pair[1].saturating_sub(pair[0]) > MOST_STEPS);
    check_shape(
        long.is_none(),
        "offsets",
        format_args!("sequences of at most {MOST_STEPS} steps"),
        format_args!(
            "one from row {} to row {}",
            long.map_or(0, |p| p[0]),
            long.map_or(0, |p| p[1])
        ),
    )
}

/// A sequence, or a window of its steps, in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The sequence.
    pub(crate) sequence: u32,
    /// Its position in the batch.
    pub(crate) position: u32,
    /// Its first step in the segment.
    pub(crate) from: u32,
    /// The number of steps.
    pub(crate) steps: u32,
    /// The step of the lane at which the segment starts.
    pub(crate) start: u32,
}

/// The rows of a [`Segment`].
#[derive(Clone, Copy)]
pub(crate) struct SegmentRows<'a, T> {
    pub(crate) features: &'a [T],
    pub(crate) labels: &'a [T],
    pub(crate) label_weights: &'a [T],
}

#[inline]
fn part<T>(values: &[T], rows: Range<usize>, columns: usize) -> &[T] {
    &values[rows.start * columns..rows.end * columns]
}

/// Like `part`, for optional values: empty if there are none.
#[inline]
fn part_if_any<T>(values: &[T], rows: Range<usize>, columns: usize) -> &[T] {
    if values.is_empty() { &[] } else { part(values, rows, columns) }
}

#[cfg(test)]
mod tests;
