//! Which sequence goes into which lane.
//!
//! The sequences of a batch are assigned to the lanes of a few tiles, longest first, each to the
//! shortest lane so far (Graham's LPT rule, 1969). Lanes end up nearly equally long, so few of the
//! computed steps are idle, whatever the lengths. If a few sequences would leave most of a tile idle,
//! they are left out and computed one by one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::data::{Segment, Sequences};
use crate::lanes::Real;

/// Fewest sequences for which a tile of `lanes` lanes is faster than one sequence at a time. The
/// break-even is higher with 256-bit registers, lower with 512-bit ones, but shape alone must decide.
pub(crate) const fn fewest_tiled(lanes: usize) -> usize {
    lanes * 5 / 8
}

/// Tiles with fewer steps are slowed noticeably by the fixed cost of a tile: without gradients, and
/// with them.
pub(crate) const FEWEST_STEPS: usize = 8;
pub(crate) const FEWEST_STEPS_OF_GRADIENTS: usize = 30;

/// The most steps that a tile of sequences may have, with `lanes` lanes, if tiles should have at least
/// `fewest` steps.
pub(crate) fn most_tile_steps<T: Real>(
    data: &Sequences<'_, T>,
    lanes: usize,
    fewest: usize,
) -> usize {
    let (longest, rows) = (data.longest(), data.rows().div_ceil(lanes));
    // Short sequences of one length share lanes, which then have less than twice the steps wanted;
    // longer sequences have a lane each.
    let level = (2 * (fewest + longest.min(fewest))).min(rows + longest);
    if (0..data.len()).all(|s| data.range(s).len() == longest) {
        return if longest < fewest { level } else { longest };
    }
    // Lanes hold less than two sequences' worth on average, and the LPT rule adds at most one sequence;
    // but some batches may have sequences of one length.
    let wanted = longest.max(fewest);
    (wanted + (2 * wanted).min(rows)).max(level)
}

/// How many of `count` sequences of `steps` steps each share a lane, one after the other, if a tile
/// should have at least `fewest` steps.
fn level_per_lane(count: usize, steps: usize, lanes: usize, fewest: usize) -> usize {
    let wanted = fewest.div_ceil(steps.max(1));
    if wanted == 1 || count < 2 * lanes {
        return 1;
    }
    // The same number in each lane of whole tiles, less than twice as many as wanted.
    let tiles = (count / (lanes * wanted)).max(1);
    count.div_ceil(tiles * lanes)
}

/// The sequences of one batch, lane after lane, tile after tile.
#[derive(Debug, Default)]
pub(crate) struct Tiling {
    segments: Vec<Segment>,
    /// The segments of lane i are `segments[bounds[i]..bounds[i + 1]]`; lanes fill whole tiles.
    bounds: Vec<u32>,
    /// The steps of the longest lane of each tile.
    tile_steps: Vec<u32>,
    lanes_per_tile: usize,
    /// The segments left out, and the most that may be.
    single: Vec<Segment>,
    most_single: usize,
    /// The steps that tiles of short sequences should have.
    fewest_steps: usize,
    // Scratch, kept so that tiling a batch allocates nothing.
    longest_first: Vec<(Reverse<u32>, u32)>,
    shortest_lane: BinaryHeap<(Reverse<u32>, Reverse<u32>)>,
    lane_of: Vec<(Reverse<u32>, u32, u32, u32)>,
}

/// The lanes of one tile.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    segments: &'a [Segment],
    bounds: &'a [u32],
    steps: u32,
}

impl<'a> Tile<'a> {
    /// The segments of a lane, in order of time.
    pub(crate) fn lane(&self, lane: usize) -> &'a [Segment] {
        &self.segments[self.bounds[lane] as usize..self.bounds[lane + 1] as usize]
    }

    /// Every segment with its lane.
    pub(crate) fn segments(self) -> impl Iterator<Item = (usize, Segment)> + Clone + 'a {
        (0..self.lanes()).flat_map(move |lane| self.lane(lane).iter().map(move |&s| (lane, s)))
    }

    /// The number of lanes.
    pub(crate) fn lanes(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Whether a lane starts in the middle of a sequence.
    pub(crate) fn goes_on(&self, lane: usize) -> bool {
        self.lane(lane).first().is_some_and(|segment| segment.from > 0)
    }

    /// The steps of a lane.
    pub(crate) fn load(&self, lane: usize) -> usize {
        self.lane(lane).last().map_or(0, |last| (last.start + last.steps) as usize)
    }

    /// The steps of the longest lane.
    pub(crate) fn steps(&self) -> usize {
        self.steps as usize
    }
}

impl Tiling {
    /// An empty tiling with room for batches of `sequences`.
    pub(crate) fn with_capacity(lanes_per_tile: usize, sequences: usize) -> Self {
        let lanes = sequences.next_multiple_of(lanes_per_tile);
        Self {
            lanes_per_tile,
            single: Vec::new(),
            most_single: 0,
            fewest_steps: FEWEST_STEPS,
            segments: Vec::with_capacity(sequences),
            bounds: Vec::with_capacity(lanes + 1),
            tile_steps: Vec::with_capacity(lanes / lanes_per_tile),
            longest_first: Vec::with_capacity(sequences),
            shortest_lane: BinaryHeap::with_capacity(lanes),
            lane_of: Vec::with_capacity(sequences),
        }
    }

    /// Tunes the tiling for gradients: sequences too few for a tile may be left out.
    pub(crate) fn for_gradients(self) -> Self {
        let most_single = fewest_tiled(self.lanes_per_tile).saturating_sub(1);
        let single = Vec::with_capacity(most_single);
        Self { single, most_single, fewest_steps: FEWEST_STEPS_OF_GRADIENTS, ..self }
    }

    /// One segment per lane.
    pub(crate) fn set_segments(&mut self, segments: impl Iterator<Item = Segment>) {
        self.segments.clear();
        self.segments.extend(segments);
        self.leave_out_last();
        self.bounds.clear();
        self.bounds.extend(0..=self.segments.len() as u32);
        self.fill_last_tile();
    }

    /// At most `most` steps of one tile, starting at `from`.
    pub(crate) fn set_window(&mut self, tile: Tile<'_>, from: usize, most: usize) {
        self.segments.clear();
        self.bounds.clear();
        let (from, end) = (from as u32, (from + most) as u32);
        for lane in 0..tile.lanes() {
            self.bounds.push(self.segments.len() as u32);
            for segment in tile.lane(lane) {
                let first = segment.start.max(from);
                let end = end.min(segment.start + segment.steps);
                if first < end {
                    self.segments.push(Segment {
                        from: segment.from + first - segment.start,
                        steps: end - first,
                        start: first - from,
                        ..*segment
                    });
                }
            }
        }
        self.bounds.push(self.segments.len() as u32);
        self.fill_last_tile();
    }

    /// With one segment per lane: leaves out those of the last tile if they are few.
    fn leave_out_last(&mut self) {
        self.single.clear();
        let last = self.segments.len() % self.lanes_per_tile;
        if last <= self.most_single {
            self.single.extend(self.segments.drain(self.segments.len() - last..));
        }
    }

    /// Lays out the sequences of a batch; `steps` gives the length of a sequence.
    pub(crate) fn set(&mut self, batch: &[u32], steps: impl Fn(u32) -> usize) {
        self.segments.clear();
        self.single.clear();
        self.bounds.clear();
        let first = batch.first().map_or(0, |&sequence| steps(sequence));
        if batch.iter().all(|&sequence| steps(sequence) == first) {
            self.set_level(batch, first);
        } else {
            self.set_ragged(batch, steps);
        }
        self.fill_last_tile();
    }

    /// Adds empty lanes up to a whole number of tiles, and counts the steps of each tile.
    fn fill_last_tile(&mut self) {
        let whole = (self.bounds.len() - 1).next_multiple_of(self.lanes_per_tile);
        self.bounds.resize(whole + 1, self.segments.len() as u32);
        self.tile_steps.clear();
        for lanes in self.bounds.windows(self.lanes_per_tile + 1).step_by(self.lanes_per_tile) {
            let last = |pair: &[u32]| (pair[0] < pair[1]).then(|| pair[1] as usize - 1);
            let ends = lanes.windows(2).filter_map(last).map(|last| self.segments[last]);
            let longest = ends.map(|segment| segment.start + segment.steps).max();
            self.tile_steps.push(longest.unwrap_or(0));
        }
    }

    /// All of one length: one sequence per lane, or several if they are short.
    fn set_level(&mut self, batch: &[u32], steps: usize) {
        let per_lane = level_per_lane(batch.len(), steps, self.lanes_per_tile, self.fewest_steps);
        let per_lane = per_lane as u32;
        let steps = steps as u32;
        let segment = |(&sequence, position)| {
            let start = position % per_lane * steps;
            Segment { sequence, position, from: 0, steps, start }
        };
        self.segments.extend(batch.iter().zip(0..).map(segment));
        if per_lane == 1 {
            self.leave_out_last();
        }
        let segments = self.segments.len() as u32;
        self.bounds.extend((0..segments).step_by(per_lane as usize));
        self.bounds.push(segments);
    }

    fn set_ragged(&mut self, batch: &[u32], steps: impl Fn(u32) -> usize) {
        // Ties are broken by position in the batch, so that the tiling depends on the batch alone.
        self.longest_first.clear();
        let keys = batch.iter().zip(0..).map(|(&s, position)| (Reverse(steps(s) as u32), position));
        self.longest_first.extend(keys);
        self.longest_first.sort_unstable();
        let (single, tiles) = self.cheapest(batch.iter().map(|&sequence| steps(sequence)).sum());
        self.single.clear();
        for (Reverse(steps), position) in self.longest_first.drain(..single) {
            let sequence = batch[position as usize];
            self.single.push(Segment { sequence, position, from: 0, steps, start: 0 });
        }

        self.shortest_lane.clear();
        let lanes = (tiles * self.lanes_per_tile) as u32;
        self.shortest_lane.extend((0..lanes).map(|lane| (Reverse(0), Reverse(lane))));
        self.lane_of.clear();
        for &(Reverse(steps), position) in &self.longest_first {
            let (Reverse(load), Reverse(lane)) = self.shortest_lane.pop().expect("there are lanes");
            self.lane_of.push((Reverse(0), lane, load, position));
            self.shortest_lane.push((Reverse(load + steps), Reverse(lane)));
        }
        self.fill_lanes(batch, steps);
    }

    /// How many of the longest sequences to leave out, and how many tiles to use for the others, so
    /// that the work is least. A single sequence is assumed to cost `1 / fewest_tiled` of a tile.
    fn cheapest(&self, total: usize) -> (usize, usize) {
        let length = |i: usize| self.longest_first.get(i).map_or(0, |&(Reverse(s), _)| s as usize);
        let mut best = (usize::MAX, 0, 0);
        let (mut outside, mut inside) = (0, total);
        for single in 0..=self.most_single.min(self.longest_first.len()) {
            let tiles = inside.checked_div(length(single) * self.lanes_per_tile);
            let tiles = tiles.map_or(0, |tiles| tiles.max(1));
            let lanes = tiles * self.lanes_per_tile;
            // No lane is shorter than the longest sequence, or than two sequences if two must share a
            // lane.
            let shared = length(single + lanes) + length(single + lanes.max(1) - 1);
            let longest = length(single).max(if length(single + lanes) > 0 { shared } else { 0 });
            let in_tiles = inside.max(longest * self.lanes_per_tile);
            let work = in_tiles + self.work_of_single(outside);
            if work < best.0 {
                best = (work, single, tiles);
            }
            outside += length(single);
            inside -= length(single);
        }
        (best.1, best.2)
    }

    /// The lane steps that cost as much as `steps` steps of single sequences.
    fn work_of_single(&self, steps: usize) -> usize {
        steps * self.lanes_per_tile / fewest_tiled(self.lanes_per_tile).max(1)
    }

    /// Puts lanes of like load into one tile: longest first.
    fn fill_lanes(&mut self, batch: &[u32], steps: impl Fn(u32) -> usize) {
        // The heap now holds each lane's load.
        self.longest_first.clear();
        let loads =
            self.shortest_lane.drain().map(|(Reverse(load), Reverse(lane))| (Reverse(load), lane));
        self.longest_first.extend(loads);
        self.longest_first.sort_unstable_by_key(|&(_, lane)| lane);
        for entry in &mut self.lane_of {
            entry.0 = self.longest_first[entry.1 as usize].0;
        }
        self.lane_of.sort_unstable();
        let mut current = None;
        for &(_, lane, start, position) in &self.lane_of {
            if current != Some(lane) {
                self.bounds.push(self.segments.len() as u32);
                current = Some(lane);
            }
            let sequence = batch[position as usize];
            let steps = steps(sequence) as u32;
            self.segments.push(Segment { sequence, position, from: 0, steps, start });
        }
        self.bounds.push(self.segments.len() as u32);
    }

    /// The segments that belong to no tile.
    pub(crate) fn single(&self) -> &[Segment] {
        &self.single
    }

    /// The number of tiles.
    pub(crate) fn len(&self) -> usize {
        (self.bounds.len() - 1) / self.lanes_per_tile
    }

    /// The steps of all tiles, plus the cost of the single segments in tile steps.
    pub(crate) fn steps(&self) -> usize {
        let single: usize = self.single.iter().map(|segment| segment.steps as usize).sum();
        let tiles: usize = (0..self.len()).map(|tile| self.tile(tile).steps()).sum();
        tiles + self.work_of_single(single).div_ceil(self.lanes_per_tile)
    }

    /// One tile.
    pub(crate) fn tile(&self, tile: usize) -> Tile<'_> {
        let first = tile * self.lanes_per_tile;
        Tile {
            segments: &self.segments,
            bounds: &self.bounds[first..=first + self.lanes_per_tile],
            steps: self.tile_steps[tile],
        }
    }
}

#[cfg(test)]
mod tests;
