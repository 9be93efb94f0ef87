//! Checks that categories are inputs of the network before they are looked up, and that labels are
//! among its classes.

use std::ops::Range;

use crate::config::Config;
use crate::error::{Error, Result, shortest};
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Level, Mask, Simd, WithSimd, dispatch};

/// [`Error::Parameter`] if a row of features has a category that the network
/// does not know.
pub(crate) fn check_categories<T: Real>(features: &[T], config: &Config) -> Result<()> {
    check_codes(features, config.features(), (config.categories.columns, inputs(config)))
}

/// Like [`check_categories`], for rows of static features.
pub(crate) fn check_static_categories<T: Real>(statics: &[T], config: &Config) -> Result<()> {
    let known = config.first_static() + config.statics.numbers..config.shape.input;
    check_codes(statics, config.statics.len(), (config.statics.categories.columns, known))
}

/// The inputs that belong to the categories of a timestep.
fn inputs(config: &Config) -> Range<usize> {
    config.numbers()..config.first_static()
}

/// [`Error::Parameter`] if one of the last `columns` numbers of a row of
/// `size` is not one of the `known` whole numbers.
fn check_codes<T: Real>(
    numbers: &[T],
    size: usize,
    (columns, known): (usize, Range<usize>),
) -> Result<()> {
    if columns == 0 {
        return Ok(());
    }
    let [first, end] = [known.start, known.end].map(|bound| T::from_f64(bound as f64));
    let is_known = |code: T| code.is_index() & (code >= first) & (code < end);
    let mut codes = numbers.chunks_exact(size).flat_map(|row| &row[size - columns..]);
    match codes.find(|&&code| !is_known(code)) {
        None => Ok(()),
        Some(code) => {
            let (what, expected) = ("a category", "the number of one of its inputs");
            Err(Error::Parameter { what, expected, got: shortest(code.to_f64()) })
        }
    }
}

/// [`Error::Parameter`] if a label is neither missing nor a class number below
/// `count`: it would add no loss and yet be counted.
pub(crate) fn check_classes<T: Real>(labels: &[T], count: usize) -> Result<()> {
    let end = T::from_f64(count as f64);
    let fits = |label: T| label.is_nan() | (label.is_index() & (label < end));
    // No branch per number, so that several are compared at once.
    let all_fit = |some: &[T]| some.iter().fold(true, |fit, &label| fit & fits(label));
    let Some(some) = labels.chunks(1024).find(|some| !all_fit(some)) else { return Ok(()) };
    let wrong = some.iter().find(|&&label| !fits(label)).expect("one does not fit");
    let (what, expected) = ("labels", "numbers of classes, one for each output from 0 on");
    Err(Error::Parameter { what, expected, got: shortest(wrong.to_f64()) })
}

/// Whether all rows pass [`check_categories`]; a quick test, which may be falsely negative.
pub(crate) fn all_known<T: Real>(level: Level, features: &[T], config: &Config) -> bool {
    let (columns, known) = (config.categories.columns, inputs(config));
    let [first, last] = [known.start, known.end.max(1) - 1].map(|i| T::from_f64(i as f64));
    columns == 0
        || last.is_index()
            && dispatch(level, AllKnown { features, size: config.features(), columns, first, last })
}

/// Whether the last `columns` of each row are whole numbers from `first` to `last`.
struct AllKnown<'a, T> {
    features: &'a [T],
    size: usize,
    columns: usize,
    first: T,
    last: T,
}

impl<T: Real> WithSimd for AllKnown<'_, T> {
    type Output = bool;

    fn run<S: Simd>(self, simd: S) -> bool {
        simd.vectorize(self)
    }
}

impl<T: Real, S: Simd> Kernel<S> for AllKnown<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run(self, simd: S) -> bool {
        let Self { features, size, columns, first, last } = self;
        let (mut least, mut most) = (simd.splat(first), simd.splat(last));
        let mut whole = least.le(most);
        // Column by column, a full register of numbers from each row.
        for left in (size - columns..size).step_by(T::LANES) {
            let right = size.min(left + T::LANES);
            for row in features.chunks_exact(size) {
                let codes = simd.load_partial(&row[left..right], first);
                whole = whole & codes.round().eq(codes);
                (least, most) = (least.min(codes), most.max(codes));
            }
        }
        (whole & least.ge(simd.splat(first)) & most.le(simd.splat(last))).all()
    }
}
