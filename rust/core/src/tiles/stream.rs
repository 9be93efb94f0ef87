//! Rows of sequences into groups of lanes, and back.
//!
//! A lane's rows, one sequence after the other, are one stream of numbers; the rows of a tile are
//! the same numbers with lanes side by side. A square block of either is the transpose of the
//! other's, whatever the number of columns.

use crate::real::Real;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tiles::plan::{Segment, TilePlan};

/// The most lanes of any group.
const MOST_LANES: usize = 16;

/// Fills `rows`, the `columns` groups of each step of a tile, from the rows of its sequences;
/// `fill` stands where a lane has no step. `rows` has room for a whole number of square blocks.
pub(crate) fn gather<'a, T: Real, S: Simd>(
    simd: S,
    plan: TilePlan<'_>,
    columns: usize,
    source: impl Fn(u32) -> &'a [T],
    fill: T,
    rows: &mut [T::Lanes<S>],
) {
    let used = (plan.steps() * columns).next_multiple_of(T::LANES);
    simd.vectorize(Gather { plan, source, fill, rows: &mut rows[..used] });
}

struct Gather<'a, 'p, T, V, F> {
    plan: TilePlan<'p>,
    source: F,
    fill: T,
    rows: &'a mut [V],
}

impl<'s, T: Real, S: Simd, F: Fn(u32) -> &'s [T]> Kernel<S> for Gather<'_, '_, T, T::Lanes<S>, F> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let mut streams: [Reader<'_, 's, T>; MOST_LANES] =
            std::array::from_fn(|lane| Reader {
                rest: &[],
                segments: if lane < T::LANES { self.plan.lane(lane) } else { &[] },
            });
        let mut block = simd.zero::<T>().block();
        for rows in self.rows.chunks_exact_mut(T::LANES) {
            for (row, stream) in block.as_mut().iter_mut().zip(&mut streams) {
                *row = match stream.rest.split_at_checked(T::LANES) {
                    Some((group, rest)) => {
                        stream.rest = rest;
                        simd.load(group)
                    }
                    None => simd.load(&stream.next(&self.source, self.fill)[..T::LANES]),
                };
            }
            T::Lanes::<S>::transpose(&mut block);
            rows.copy_from_slice(block.as_ref());
        }
    }
}

/// What is left of a lane's stream.
struct Reader<'p, 's, T> {
    rest: &'s [T],
    segments: &'p [Segment],
}

impl<'s, T: Real> Reader<'_, 's, T> {
    /// The next numbers where they do not all lie in the current sequence.
    #[inline(never)]
    fn next(&mut self, source: &impl Fn(u32) -> &'s [T], fill: T) -> [T; MOST_LANES] {
        let mut group = [fill; MOST_LANES];
        let mut filled = 0;
        while filled < T::LANES {
            if self.rest.is_empty() {
                let Some((segment, others)) = self.segments.split_first() else { break };
                self.segments = others;
                self.rest = source(segment.sequence);
            }
            let (now, later) = self.rest.split_at(self.rest.len().min(T::LANES - filled));
            group[filled..filled + now.len()].copy_from_slice(now);
            filled += now.len();
            self.rest = later;
        }
        group
    }
}

/// The reverse of [`gather`]: hands `take` the rows of each sequence, piece by piece; a piece is
/// (sequence, position in the sequence's rows, numbers).
pub(crate) fn scatter<T: Real, S: Simd>(
    simd: S,
    plan: TilePlan<'_>,
    columns: usize,
    rows: &[T::Lanes<S>],
    take: impl FnMut(u32, usize, &[T]),
) {
    let used = (plan.steps() * columns).next_multiple_of(T::LANES);
    simd.vectorize(Scatter { plan, columns, rows: &rows[..used], take });
}

struct Scatter<'a, 'p, V, F> {
    plan: TilePlan<'p>,
    columns: usize,
    rows: &'a [V],
    take: F,
}

impl<T: Real, S: Simd, V, F> Kernel<S> for Scatter<'_, '_, V, F>
where
    V: Lanes<Elem = T, Simd = S>,
    F: FnMut(u32, usize, &[T]),
{
    type Output = ();

    #[inline(always)]
    fn run(mut self, simd: S) {
        let mut segments: [&[Segment]; MOST_LANES] = std::array::from_fn(|lane| {
            if lane < V::LEN { self.plan.lane(lane) } else { &[] }
        });
        let mut block = V::splat(simd, T::ZERO).block();
        let mut group = [T::ZERO; MOST_LANES];
        for (number, rows) in self.rows.chunks_exact(V::LEN).enumerate() {
            block.as_mut().copy_from_slice(rows);
            V::transpose(&mut block);
            for (row, segments) in block.as_ref().iter().zip(&mut segments) {
                row.store(&mut group[..V::LEN]);
                let mut from = number * V::LEN;
                let end = from + V::LEN;
                while let Some(segment) = segments.first() {
                    let start = segment.start as usize * self.columns;
                    let stop = start + segment.steps as usize * self.columns;
                    let upto = stop.min(end);
                    let offset = number * V::LEN;
                    (self.take)(segment.sequence, from - start, &group[from - offset..upto - offset]);
                    from = upto;
                    if stop > end {
                        break;
                    }
                    *segments = &segments[1..];
                    if upto == end {
                        break;
                    }
                }
            }
        }
    }
}
