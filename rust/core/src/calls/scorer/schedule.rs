//! [`Schedule`]: which events are computed together.

/// No event.
const NONE: u32 = u32::MAX;

/// The order in which events are computed: those of one row one after the other, those of different
/// rows together. Rows with the most events left go first (Hu, 1961), to leave as few lanes idle as
/// possible.
#[derive(Default)]
pub(super) struct Schedule {
    /// Row and event: a small open-addressing table of the next event of each row.
    next_of: Vec<(u32, u32)>,
    /// Per event: the next one of the same row, how many follow, and the next with the same count.
    next: Vec<u32>,
    follow: Vec<u32>,
    beside: Vec<u32>,
    /// For each count of following events: the first event that may be computed now. Then the highest
    /// such count, above which there is none.
    ready: Vec<u32>,
    highest: usize,
}

impl Schedule {
    /// Sets the rows of the events, in order of arrival. Allocates only if there are more events than
    /// ever before.
    pub(super) fn set(&mut self, rows: &[u32]) {
        let size = (4 * rows.len()).next_power_of_two();
        self.next_of.clear();
        self.next_of.resize(size, (0, NONE));
        for list in [&mut self.next, &mut self.follow, &mut self.beside] {
            list.clear();
            list.resize(rows.len(), 0);
        }
        self.ready.clear();
        self.ready.resize(rows.len(), NONE);
        self.highest = 0;
        for (event, &row) in rows.iter().enumerate().rev() {
            // Fibonacci hashing: consecutive rows, the usual ones, are spread far apart.
            let hash = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            let mut at = hash as usize & (size - 1);
            while self.next_of[at].1 != NONE && self.next_of[at].0 != row {
                at = (at + 1) & (size - 1);
            }
            let next = self.next_of[at].1;
            self.next[event] = next;
            self.follow[event] = if next == NONE { 0 } else { self.follow[next as usize] + 1 };
            self.next_of[at] = (row, event as u32);
        }
        // The first event of each row may be computed; earlier arrivals go first.
        for at in 0..size {
            let event = self.next_of[at].1;
            if event != NONE {
                self.offer(event);
            }
        }
    }

    fn offer(&mut self, event: u32) {
        let follow = self.follow[event as usize] as usize;
        self.beside[event as usize] = std::mem::replace(&mut self.ready[follow], event);
        self.highest = self.highest.max(follow + 1);
    }

    /// Sets `tile` to the next events, each of a different row; leaves room only if no more rows have
    /// events left. Returns their number.
    pub(super) fn take(&mut self, tile: &mut [u32]) -> usize {
        let mut taken = 0;
        while taken < tile.len() && self.highest > 0 {
            let event = self.ready[self.highest - 1];
            if event == NONE {
                self.highest -= 1;
                continue;
            }
            self.ready[self.highest - 1] = self.beside[event as usize];
            tile[taken] = event;
            taken += 1;
        }
        for &event in &tile[..taken] {
            let next = self.next[event as usize];
            if next != NONE {
                self.offer(next);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(rows: &[u32], lanes: usize) -> Vec<Vec<u32>> {
        let (mut schedule, mut tiles) = (Schedule::default(), Vec::new());
        schedule.set(rows);
        loop {
            let mut tile = vec![0; lanes];
            match schedule.take(&mut tile) {
                0 => return tiles,
                taken => tiles.push(tile[..taken].to_vec()),
            }
        }
    }

    #[test]
    fn events_of_a_row_keep_their_order_and_tiles_are_as_few_as_can_be() {
        let rows: Vec<u32> = (0..64).map(|i| if i % 3 == 0 { 7 } else { 1000 + 3 * i }).collect();
        let tiles = tiles(&rows, 4);
        let order: Vec<u32> = tiles.concat();
        let of_seven: Vec<u32> =
            order.iter().copied().filter(|&event| rows[event as usize] == 7).collect();
        assert!(of_seven.is_sorted() && of_seven.len() == 22);
        let mut all = order;
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<u32>>());
        // Of 64 events, 22 must be sequential, with two others beside each.
        assert_eq!(tiles.len(), 22);
        for tile in &tiles {
            let mut own: Vec<u32> = tile.iter().map(|&event| rows[event as usize]).collect();
            own.sort_unstable();
            own.dedup();
            assert_eq!(own.len(), tile.len(), "a row stands in a tile twice");
        }
    }

    #[test]
    fn no_events_are_no_tiles() {
        assert!(tiles(&[], 16).is_empty());
        assert_eq!(tiles(&[5], 16), [[0]]);
    }
}
