//! Turns rows of a table into rows that the engine reads: selects, scales and converts them in one
//! pass. Also computes the column statistics that scalers need.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::{Result, check_shape};
use crate::lanes::Real;

/// Rows of a block whose mean and squared deviations are computed together. They stay in a near cache
/// for the second pass, and are the same for any number of threads.
const BLOCK: usize = 1024;

/// Sequences of rows in a matrix, which may have other rows too.
#[derive(Clone, Copy, Debug)]
pub struct TableRows<'a, T> {
    values: &'a [T],
    columns: usize,
    starts: &'a [i64],
    offsets: &'a [i64],
}

/// What is subtracted from each column, and what the difference is divided by.
#[derive(Clone, Copy, Debug)]
pub struct Scaling<'a> {
    /// What is subtracted, `(columns,)`.
    pub shift: &'a [f64],
    /// The divisors, `(columns,)`.
    pub scale: &'a [f64],
}

impl Scaling<'_> {
    fn check(self, columns: usize) -> Result<()> {
        let Self { shift, scale } = self;
        check_shape(shift.len() == columns, "shift", columns, shift.len())?;
        check_shape(scale.len() == columns, "scale", columns, scale.len())
    }
}

/// A number as the engine reads it: scaled in double precision, then rounded to `T` and then to `U`, so
/// that a single row and a whole table give the same bits.
#[inline(always)]
pub fn scaled<T: Real, U: Real>(number: T, shift: f64, scale: f64) -> U {
    U::from_f64(T::from_f64((number.to_f64() - shift) / scale).to_f64())
}

/// Count, mean, and sum of squared deviations from it.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// T. F. Chan, G. H. Golub, R. J. LeVeque, *Updating formulae and a pairwise algorithm for
    /// computing sample variances*, 1979.
    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if count == 0.0 {
            return;
        }
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * (self.count * other.count / count);
        self.mean += apart * (other.count / count);
        self.count = count;
    }
}

impl<'a, T: Real> TableRows<'a, T> {
    /// Sequence `s` has rows `starts[s]..starts[s] + offsets[s + 1] − offsets[s]` of `values (N,
    /// columns)`, row-major. [`crate::Error::Shape`] if they are out of bounds.
    pub fn new(
        values: &'a [T],
        columns: usize,
        starts: &'a [i64],
        offsets: &'a [i64],
    ) -> Result<Self> {
        check_shape(
            offsets.len() == starts.len() + 1 && offsets[0] == 0,
            "offsets",
            format_args!("0, and the end of each of {} sequences", starts.len()),
            format_args!("{} numbers", offsets.len()),
        )?;
        let rows = values.len().checked_div(columns).unwrap_or(0) as i64;
        let lies_within = |(&start, pair): (&i64, &[i64])| {
            let steps = pair[1].checked_sub(pair[0]).filter(|&steps| steps >= 0);
            start >= 0 && steps.is_some_and(|steps| start <= rows && steps <= rows - start)
        };
        let bad = starts.iter().zip(offsets.windows(2)).position(|each| !lies_within(each));
        check_shape(
            bad.is_none(),
            "starts",
            format_args!("sequences within {rows} rows"),
            format_args!("another at position {}", bad.unwrap_or(0)),
        )?;
        Ok(Self { values, columns, starts, offsets })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.offsets[self.starts.len()] as usize
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the rows to `out (rows, columns)`, [`scaled`] if there is a `scaling`. Returns whether no
    /// number is infinite.
    pub fn prepare<U: Real>(
        &self,
        scaling: Option<Scaling<'_>>,
        out: &mut [U],
        threads: usize,
    ) -> Result<bool> {
        let numbers = self.len() * self.columns;
        check_shape(out.len() == numbers, "out", numbers, out.len())?;
        scaling.map_or(Ok(()), |scaling| scaling.check(self.columns))?;
        if self.columns == 0 || numbers == 0 {
            return Ok(true);
        }
        let mut rest = out;
        let mut work = Vec::new();
        for rows in self.shares(threads) {
            let (own, others) = rest.split_at_mut(rows.len() * self.columns);
            rest = others;
            work.push(move || self.prepare_rows(rows, scaling, own));
        }
        Ok(in_parallel(work).into_iter().all(|finite| finite))
    }

    fn prepare_rows<U: Real>(
        &self,
        rows: Range<usize>,
        scaling: Option<Scaling<'_>>,
        out: &mut [U],
    ) -> bool {
        let mut out = out;
        let mut finite = true;
        self.each_piece(rows, |piece| {
            let (own, rest) = std::mem::take(&mut out).split_at_mut(piece.len());
            out = rest;
            let lines = own.chunks_exact_mut(self.columns).zip(piece.chunks_exact(self.columns));
            for (own, line) in lines {
                match scaling {
                    None => convert(line, own),
                    Some(Scaling { shift, scale }) => {
                        let columns = line.iter().zip(shift).zip(scale);
                        for (own, ((&x, &shift), &scale)) in own.iter_mut().zip(columns) {
                            *own = scaled(x, shift, scale);
                        }
                    }
                }
                // NaN marks a missing number and is allowed; only ±∞ is refused.
                // No early exit, so that several numbers are checked at once.
                finite &= own.iter().fold(true, |all, &x| all & (x.is_finite() | x.is_nan()));
            }
        });
        finite
    }

    /// The smallest and the largest number of each column, ignoring NaN; ∞ and −∞ if it has no numbers.
    pub fn bounds(&self, threads: usize) -> Vec<(f64, f64)> {
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        let work = self.shares(threads).into_iter().map(|rows| {
            move || {
                let mut bounds = vec![none; self.columns];
                self.each_piece(rows, |piece| {
                    for line in piece.chunks_exact(self.columns) {
                        for (bound, &x) in bounds.iter_mut().zip(line) {
                            let x = x.to_f64();
                            // Comparisons with NaN are false.
                            *bound = (
                                if x < bound.0 { x } else { bound.0 },
                                if x > bound.1 { x } else { bound.1 },
                            );
                        }
                    }
                });
                bounds
            }
        });
        let mut all = vec![none; self.columns];
        for bounds in in_parallel(work.collect()) {
            for (all, own) in all.iter_mut().zip(bounds) {
                *all = (all.0.min(own.0), all.1.max(own.1));
            }
        }
        all
    }

    /// Mean and standard deviation (divisor N) of each column after scaling, ignoring NaN.
    pub fn moments(&self, scaling: Scaling<'_>, threads: usize) -> Result<Vec<(f64, f64)>> {
        scaling.check(self.columns)?;
        let blocks = self.len().div_ceil(BLOCK);
        let work = shares(blocks, self.worthwhile(threads)).into_iter().map(|share| {
            move || {
                let block = |b: usize| b * BLOCK..((b + 1) * BLOCK).min(self.len());
                share.map(|b| self.block_moments(block(b), scaling)).collect::<Vec<_>>()
            }
        });
        let mut all = vec![Moments::default(); self.columns];
        for block in in_parallel(work.collect()).into_iter().flatten() {
            for (all, own) in all.iter_mut().zip(block) {
                all.merge(own);
            }
        }
        Ok(all.iter().map(|m| (m.mean, (m.squares / m.count.max(1.0)).sqrt())).collect())
    }

    /// Two passes over a block that stays in a near cache: means, then deviations from them.
    fn block_moments(&self, rows: Range<usize>, scaling: Scaling<'_>) -> Vec<Moments> {
        // An array for each and no branches, so that several columns are computed at once.
        let [mut counts, mut means, mut squares] = [0; 3].map(|_| vec![0.0; self.columns]);
        let Scaling { shift, scale } = scaling;
        self.each_piece(rows.clone(), |piece| {
            for line in piece.chunks_exact(self.columns) {
                let scaled = line.iter().zip(shift).zip(scale);
                for ((((x, &shift), &scale), count), sum) in scaled.zip(&mut counts).zip(&mut means)
                {
                    let x = (x.to_f64() - shift) / scale;
                    *count += if x.is_nan() { 0.0 } else { 1.0 };
                    *sum += if x.is_nan() { 0.0 } else { x };
                }
            }
        });
        for (mean, count) in means.iter_mut().zip(&counts) {
            *mean /= count.max(1.0);
        }
        self.each_piece(rows, |piece| {
            for line in piece.chunks_exact(self.columns) {
                let scaled = line.iter().zip(shift).zip(scale);
                for ((((x, &shift), &scale), &mean), sum) in scaled.zip(&means).zip(&mut squares) {
                    let apart = (x.to_f64() - shift) / scale - mean;
                    *sum += if apart.is_nan() { 0.0 } else { apart * apart };
                }
            }
        });
        let columns = counts.into_iter().zip(means).zip(squares);
        columns.map(|((count, mean), squares)| Moments { count, mean, squares }).collect()
    }

    /// Passes the numbers of these rows to `take`, in order, in pieces of whole rows.
    fn each_piece(&self, rows: Range<usize>, mut take: impl FnMut(&'a [T])) {
        let mut at = rows.start;
        let mut sequence = self.offsets.partition_point(|&end| end as usize <= at).max(1) - 1;
        while at < rows.end {
            let end = (self.offsets[sequence + 1] as usize).min(rows.end);
            if end > at {
                let first = self.starts[sequence] as usize + at - self.offsets[sequence] as usize;
                take(&self.values[first * self.columns..(first + end - at) * self.columns]);
                at = end;
            }
            sequence += 1;
        }
    }

    fn shares(&self, threads: usize) -> Vec<Range<usize>> {
        shares(self.len(), self.worthwhile(threads))
    }

    /// How many of `threads` are worth starting.
    fn worthwhile(&self, threads: usize) -> usize {
        // Starting a thread takes some ten microseconds, enough time to process ten thousand numbers.
        threads.min((self.len() * self.columns).div_ceil(1 << 16).max(1))
    }
}

fn convert<T: Real, U: Real>(from: &[T], to: &mut [U]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = U::from_f64(from.to_f64());
    }
}

/// Splits `0..count` into ranges of nearly equal length.
fn shares(count: usize, threads: usize) -> Vec<Range<usize>> {
    let threads = threads.clamp(1, count.max(1));
    (0..threads).map(|t| count * t / threads..count * (t + 1) / threads).collect()
}

/// The results of all pieces of work, in order. All but the first run in threads of their own.
fn in_parallel<R: Send>(work: Vec<impl FnOnce() -> R + Send>) -> Vec<R> {
    fn run<R, W: FnOnce() -> R>(piece: &Mutex<Option<W>>) -> R {
        let taken = piece.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.expect("a piece is taken once")()
    }

    // Shared, not moved into its thread: if the system cannot start that thread, it would be lost.
    let work: Vec<_> = work.into_iter().map(|piece| Mutex::new(Some(piece))).collect();
    thread::scope(|scope| {
        let started =
            |piece| (piece, thread::Builder::new().spawn_scoped(scope, move || run(piece)));
        let others: Vec<_> = work.iter().skip(1).map(started).collect();
        let first = work.first().map(run);
        let others = others.into_iter().map(|(piece, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // The system starts no more threads: do it here.
            Err(_) => run(piece),
        });
        first.into_iter().chain(others).collect()
    })
}

#[cfg(test)]
mod tests;
