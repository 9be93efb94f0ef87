//! Copies rows of sequences into groups of lanes, and back.
//!
//! A lane's rows, one sequence after the other, form one stream of numbers; the rows of a tile are the
//! same numbers with the lanes interleaved. Each square block of one is the transpose of a block of the
//! other, for any number of columns.

use crate::data::Segment;
use crate::lanes::Real;
use crate::lanes::simd::{Kernel, Lanes, Simd};
use crate::packing::Tile;

/// The most lanes of any group.
pub(crate) const MOST_LANES: usize = 16;

/// Fills `rows`, the `columns` groups of each step of a tile, from the rows of its sequences, with
/// `fill` where a lane has no step. `rows` has room for a whole number of square blocks.
pub(crate) fn gather<'a, T: Real, S: Simd>(
    simd: S,
    tile: Tile<'_>,
    columns: usize,
    source: impl Fn(Segment) -> &'a [T],
    fill: T,
    rows: &mut [T::Lanes<S>],
) {
    let used = (tile.steps() * columns).next_multiple_of(T::LANES);
    simd.vectorize(Gather { tile, source, fill, rows: &mut rows[..used] });
}

struct Gather<'a, 'p, T, V, F> {
    tile: Tile<'p>,
    source: F,
    fill: T,
    rows: &'a mut [V],
}

impl<'s, T: Real, S: Simd, F: Fn(Segment) -> &'s [T]> Kernel<S>
    for Gather<'_, '_, T, T::Lanes<S>, F>
{
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let mut streams = [Reader { rest: &[], segments: &[] }; MOST_LANES];
        for lane in 0..T::LANES {
            streams[lane].segments = self.tile.lane(lane);
            streams[lane].open(&self.source);
        }
        let mut rows = self.rows;
        while !rows.is_empty() {
            let whole = shortest::<T>(&streams) / T::LANES;
            let (easy, others) = rows.split_at_mut((whole * T::LANES).min(rows.len()));
            transpose_streams(simd, &mut streams, easy);
            let (next, others) = others.split_at_mut(T::LANES.min(others.len()));
            if !next.is_empty() {
                let mut block = simd.zero::<T>().block();
                for lane in 0..T::LANES {
                    block.as_mut()[lane] = streams[lane].next(simd, &self.source, self.fill);
                }
                T::Lanes::<S>::transpose(&mut block);
                for (row, &group) in next.iter_mut().zip(block.as_ref()) {
                    *row = group;
                }
            }
            rows = others;
        }
    }
}

/// How many numbers every lane's current sequence has left, at least.
#[inline(always)]
fn shortest<T: Real>(streams: &[Reader<'_, '_, T>; MOST_LANES]) -> usize {
    let mut length = usize::MAX;
    for stream in &streams[..T::LANES] {
        length = length.min(stream.rest.len());
    }
    length
}

/// Fills whole blocks from streams that have enough numbers left.
#[inline(always)]
fn transpose_streams<T: Real, S: Simd>(
    simd: S,
    streams: &mut [Reader<'_, '_, T>; MOST_LANES],
    rows: &mut [T::Lanes<S>],
) {
    let length = rows.len();
    let mut lanes: [&[T]; MOST_LANES] = [&[]; MOST_LANES];
    for lane in 0..T::LANES {
        (lanes[lane], streams[lane].rest) = streams[lane].rest.split_at(length);
    }
    let mut block = simd.zero::<T>().block();
    for (number, rows) in rows.chunks_exact_mut(T::LANES).enumerate() {
        let at = number * T::LANES;
        for lane in 0..T::LANES {
            block.as_mut()[lane] = simd.load(&lanes[lane][at..at + T::LANES]);
        }
        T::Lanes::<S>::transpose(&mut block);
        for (row, &group) in rows.iter_mut().zip(block.as_ref()) {
            *row = group;
        }
    }
}

/// The rest of a lane's stream.
#[derive(Clone, Copy)]
struct Reader<'p, 's, T> {
    /// The rest of the current sequence.
    rest: &'s [T],
    /// The segments after it.
    segments: &'p [Segment],
}

impl<'s, T: Real> Reader<'_, 's, T> {
    /// Continues with the next sequence, if there is one.
    #[inline(always)]
    fn open(&mut self, source: &impl Fn(Segment) -> &'s [T]) -> bool {
        let Some((segment, others)) = self.segments.split_first() else { return false };
        (self.rest, self.segments) = (source(*segment), others);
        true
    }

    /// The next group, padded with `fill` after the end.
    #[inline(always)]
    fn next<S: Simd>(
        &mut self,
        simd: S,
        source: &impl Fn(Segment) -> &'s [T],
        fill: T,
    ) -> T::Lanes<S> {
        if self.rest.len() >= T::LANES || self.segments.is_empty() {
            let (group, rest) = self.rest.split_at(self.rest.len().min(T::LANES));
            self.rest = rest;
            return simd.load_partial(group, fill);
        }
        let next = source(self.segments[0]);
        let (have, wanted) = (self.rest.len(), T::LANES - self.rest.len());
        if next.len() < wanted {
            return simd.load(&self.join(source, fill)[..T::LANES]);
        }
        // Stores whole groups, the second over the end of the first: avoids a copy of variable length.
        let mut group = [fill; 2 * MOST_LANES];
        simd.load_partial(self.rest, fill).store(&mut group[..T::LANES]);
        simd.load_partial(&next[..wanted], fill).store(&mut group[have..have + T::LANES]);
        (self.rest, self.segments) = (&next[wanted..], &self.segments[1..]);
        simd.load(&group[..T::LANES])
    }

    /// The next numbers if they span more than two sequences, or reach the end.
    #[inline(never)]
    fn join(&mut self, source: &impl Fn(Segment) -> &'s [T], fill: T) -> [T; MOST_LANES] {
        let mut group = [fill; MOST_LANES];
        let mut filled = 0;
        while filled < T::LANES && (!self.rest.is_empty() || self.open(source)) {
            let (now, later) = self.rest.split_at(self.rest.len().min(T::LANES - filled));
            group[filled..filled + now.len()].copy_from_slice(now);
            filled += now.len();
            self.rest = later;
        }
        group
    }
}

/// The reverse of [`gather`]: hands the rows of each sequence to `take`, a few numbers at a time:
/// (sequence, position in the sequence's rows, numbers).
pub(crate) fn scatter<T: Real, S: Simd>(
    simd: S,
    tile: Tile<'_>,
    columns: usize,
    rows: &[T::Lanes<S>],
    take: impl FnMut(u32, usize, &[T]),
) {
    let used = (tile.steps() * columns).next_multiple_of(T::LANES);
    simd.vectorize(Scatter { tile, columns, rows: &rows[..used], take });
}

struct Scatter<'a, 'p, V, F> {
    tile: Tile<'p>,
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
        let mut segments: [&[Segment]; MOST_LANES] =
            std::array::from_fn(|lane| if lane < V::LEN { self.tile.lane(lane) } else { &[] });
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
                    let before = segment.from as usize * self.columns;
                    (self.take)(
                        segment.sequence,
                        before + from - start,
                        &group[from - offset..upto - offset],
                    );
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
