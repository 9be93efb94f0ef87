//! Which sequence goes into which lane, and how many steps tiles have.

use super::*;
use crate::data::Sequences;
use crate::rng::{Purpose, Rng};

fn tiling(lengths: &[usize]) -> Tiling {
    let batch: Vec<u32> = (0..lengths.len() as u32).collect();
    let mut tiling = Tiling::with_capacity(16, lengths.len());
    tiling.set(&batch, |s| lengths[s as usize]);
    tiling
}

fn computed(tiling: &Tiling) -> usize {
    (0..tiling.len()).map(|i| tiling.tile(i).steps() * 16).sum()
}

#[test]
fn every_sequence_stands_once_and_lanes_have_no_gaps() {
    let mut rng = Rng::new(1, Purpose::Order, 0);
    for case in 0..200 {
        let lengths: Vec<usize> =
            (0..1 + rng.next_u64() % 90).map(|_| 1 + (rng.next_u64() % 40) as usize).collect();
        let tiling = tiling(&lengths);
        let longest = *lengths.iter().max().unwrap();
        let mut seen: Vec<u32> = Vec::new();
        for tile in 0..tiling.len() {
            let tile = tiling.tile(tile);
            assert!(tile.steps() <= 3 * longest, "case {case}");
            for lane in 0..tile.lanes() {
                let mut next = 0;
                for segment in tile.lane(lane) {
                    assert_eq!(segment.start, next);
                    assert_eq!(segment.steps as usize, lengths[segment.sequence as usize]);
                    next += segment.steps;
                    seen.push(segment.sequence);
                }
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..lengths.len() as u32), "case {case}");
    }
}

#[test]
fn ragged_lengths_waste_little() {
    let mut rng = Rng::new(2, Purpose::Order, 0);
    for _ in 0..20 {
        let lengths: Vec<usize> = (0..64).map(|_| 5 + (rng.next_u64() % 196) as usize).collect();
        let real: usize = lengths.iter().sum();
        assert!(computed(&tiling(&lengths)) as f64 <= 1.12 * real as f64);
    }
}

#[test]
fn few_sequences_beside_whole_tiles_are_left_out() {
    let left_out = |lengths: &[usize]| {
        let batch: Vec<u32> = (0..lengths.len() as u32).collect();
        let mut tiling = Tiling::with_capacity(16, lengths.len()).for_gradients();
        tiling.set(&batch, |s| lengths[s as usize]);
        let mut seen: Vec<u32> = tiling.single().iter().map(|s| s.sequence).collect();
        let single = seen.clone();
        for tile in 0..tiling.len() {
            seen.extend(tiling.tile(tile).segments().map(|(_, segment)| segment.sequence));
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..lengths.len() as u32));
        (tiling.len(), single)
    };
    assert_eq!(left_out(&[10; 3]), (0, vec![0, 1, 2]));
    assert_eq!(left_out(&[10; 16]), (1, vec![]));
    assert_eq!(left_out(&[10; 20]), (1, vec![16, 17, 18, 19]));
    assert_eq!(left_out(&[10; 26]), (2, vec![]));
    let long_and_short: Vec<usize> = (0..40).map(|s| if s == 7 { 1000 } else { 10 }).collect();
    assert_eq!(left_out(&long_and_short), (2, vec![7]));
    let nearly_equal: Vec<usize> = (0..20).map(|s| 100 - s / 2).collect();
    assert_eq!(left_out(&nearly_equal), (1, vec![0, 1, 2, 3]));
    let mut rng = Rng::new(3, Purpose::Order, 0);
    for _ in 0..200 {
        let count = 1 + rng.next_u64() % 60;
        let lengths: Vec<usize> = (0..count).map(|_| 1 + (rng.next_u64() % 40) as usize).collect();
        assert!(left_out(&lengths).1.len() < 10);
    }
}

#[test]
fn a_level_batch_of_ragged_data_is_no_longer_than_its_tiles_may_be() {
    const LANES: usize = 8;
    let numbers = [0.0f32; 40 + 40 * 4 * LANES];
    for (longest, steps) in (1..=40).flat_map(|longest| (1..=longest).map(move |s| (longest, s))) {
        for count in 2 * LANES..=4 * LANES {
            let end = |s: usize| (longest + s * steps) as i64;
            let offsets: Vec<i64> = std::iter::once(0).chain((0..=count).map(end)).collect();
            let numbers = &numbers[..longest + count * steps];
            let data = Sequences::new(numbers, numbers, &offsets, (1, 1)).unwrap();
            let level: Vec<u32> = (1..=count as u32).collect();
            for gradients in [false, true] {
                let mut tiling = Tiling::with_capacity(LANES, count);
                if gradients {
                    tiling = tiling.for_gradients();
                }
                let most = most_tile_steps(&data, LANES, tiling.fewest_steps);
                tiling.set(&level, |s| data.range(s as usize).len());
                for tile in 0..tiling.len() {
                    assert!(tiling.tile(tile).steps() <= most, "{longest} {steps} {count}");
                }
            }
        }
    }
}

#[test]
fn equal_lengths_have_a_lane_each() {
    let tiling = tiling(&[10; 33]);
    assert_eq!((tiling.len(), computed(&tiling)), (3, 3 * 160));
    assert_eq!(
        tiling.tile(2).lane(0),
        &[Segment { sequence: 32, position: 32, from: 0, steps: 10, start: 0 }]
    );
    assert!(tiling.tile(2).lane(1).is_empty());
}
