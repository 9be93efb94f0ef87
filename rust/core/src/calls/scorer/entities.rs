//! [`Entities`]: the row of each key, the order in which entities were used, and which are given up.

use std::hint::black_box;

use hashbrown::HashTable;

use super::keys::{HashedKey, Key, KeyHasher, OwnedKey};
use super::slabs::Slabs;
use crate::error::{Error, Result, shortest};

/// No row.
const NONE: u32 = u32::MAX;
/// The most expired entities that an event drops: two leave as one comes, so the table shrinks to those
/// in use and no event waits for many.
const DROPPED_AT_ONCE: usize = 2;

/// When entities are given up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The most entities kept. A further one replaces the least recently used one.
    pub max_entities: Option<usize>,
    /// An entity expires once an event's time is more than this after its last one.
    pub expire_after: Option<f64>,
}

/// An entity; its rows are linked in order of use if there are limits, else of arrival.
#[derive(Clone)]
pub(super) struct Entity {
    key: OwnedKey,
    older: u32,
    newer: u32,
    /// Time of its latest event.
    time: f64,
}

impl Default for Entity {
    fn default() -> Self {
        Self { key: OwnedKey::default(), older: NONE, newer: NONE, time: f64::NEG_INFINITY }
    }
}

/// An entity's row and its key's hash, so that lookups skip most other entries, and the table grows,
/// without reading their keys.
#[derive(Clone)]
struct Entry {
    row: u32,
    hash: u32,
}

/// The hash spread out for the table, which reads the lowest and the highest bits.
#[inline(always)]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[derive(Clone)]
pub(super) struct Entities {
    hasher: KeyHasher,
    table: HashTable<Entry>,
    rows: Slabs<Entity>,
    /// Rows below this have been used; the next field lists the free ones among them.
    used: u32,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    limits: Limits,
    /// How many were evicted to make room, and how many expired.
    evicted: u64,
    expired: u64,
}

impl Entities {
    pub(super) fn new(limits: Limits) -> Result<Self> {
        if limits.max_entities == Some(0) {
            let (what, expected) = ("max_entities", "at least 1");
            return Err(Error::Parameter { what, expected, got: "0".into() });
        }
        if let Some(after) = limits.expire_after.filter(|after| after.is_nan() || *after < 0.0) {
            let (what, expected) = ("expire_after", "a number of at least 0");
            return Err(Error::Parameter { what, expected, got: shortest(after) });
        }
        Ok(Self {
            hasher: KeyHasher::default(),
            table: HashTable::new(),
            rows: Slabs::new(1),
            used: 0,
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            limits,
            evicted: 0,
            expired: 0,
        })
    }

    /// An empty table with the same limits, which hashes keys as before.
    pub(super) fn without_entities(&self) -> Self {
        Self {
            hasher: self.hasher.clone(),
            table: HashTable::new(),
            rows: Slabs::new(1),
            used: 0,
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            ..*self
        }
    }

    pub(super) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether [`Self::touch_all`] found a row.
    pub(super) fn is_row(&self, row: u32) -> bool {
        row != NONE
    }

    /// All rows in use are below this.
    pub(super) fn rows(&self) -> u32 {
        self.used
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many were evicted and how many expired.
    pub(super) fn given_up(&self) -> (u64, u64) {
        (self.evicted, self.expired)
    }

    pub(super) fn set_given_up(&mut self, (evicted, expired): (u64, u64)) {
        (self.evicted, self.expired) = (evicted, expired);
    }

    /// Makes room for `more` entities; returns how many rows there may be then.
    pub(super) fn reserve(&mut self, more: usize) -> Result<usize> {
        let most = self.limits.max_entities.unwrap_or(usize::MAX);
        let wanted = self.len().saturating_add(more).min(most);
        let rows = wanted.max(self.used as usize);
        if rows >= NONE as usize {
            return Err(Error::Memory { bytes: usize::MAX });
        }
        self.rows.reserve(rows)?;
        let memory = |_| Error::Memory { bytes: wanted * 2 * (size_of::<Entry>() + 1) };
        let more = wanted - self.len();
        self.table.try_reserve(more, |entry| spread(entry.hash)).map_err(memory)?;
        Ok(rows)
    }

    #[inline]
    pub(super) fn find(&self, key: HashedKey<'_>) -> Option<u32> {
        let is_it =
            |entry: &Entry| entry.hash == key.hash && self.entity(entry.row).key.get() == key.key;
        self.table.find(spread(key.hash), is_it).map(|entry| entry.row)
    }

    /// Reads in advance the memory that [`Self::admit`] will read for keys. No decision waits for a
    /// read, so the processor fetches several at once. `rows` is scratch, one per key.
    pub(super) fn touch_all(&self, keys: &[HashedKey<'_>], rows: &mut [u32]) {
        let mut sum = 0;
        for (key, row) in keys.iter().zip(&mut *rows) {
            let found = self.table.find(spread(key.hash), |entry| entry.hash == key.hash);
            *row = found.map_or(NONE, |entry| entry.row);
            if *row != NONE {
                sum ^= self.entity(*row).time.to_bits();
            }
        }
        let Limits { max_entities, expire_after } = self.limits;
        if max_entities.is_some() || expire_after.is_some() {
            // Also their neighbours in the order of use, from which they will be unlinked.
            for &row in rows.iter().filter(|&&row| row != NONE) {
                let Entity { older, newer, .. } = *self.entity(row);
                for beside in [older, newer].into_iter().filter(|&row| row != NONE) {
                    sum ^= self.entity(beside).time.to_bits();
                }
            }
        }
        black_box(sum);
    }

    /// The row of a key, for which there must be room, and whether the key is new or its entity has
    /// expired. `time` is the event's, if entities expire.
    #[inline]
    pub(super) fn admit(&mut self, key: HashedKey<'_>, time: f64) -> (u32, bool) {
        if let Some(after) = self.limits.expire_after {
            self.drop_expired(time - after);
        }
        if let Some(row) = self.find(key) {
            return (row, self.touch(row, time));
        }
        if self.limits.max_entities.is_some_and(|most| self.len() >= most) {
            self.remove(self.oldest);
            self.evicted += 1;
        }
        (self.add(key, time), true)
    }

    /// Adds an entity whose key is new; there must be room for it.
    pub(super) fn add(&mut self, key: HashedKey<'_>, time: f64) -> u32 {
        let row = self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        });
        *self.entity_mut(row) = Entity { key: key.key.into(), time, ..Entity::default() };
        self.link(row);
        let entry = Entry { row, hash: key.hash };
        self.table.insert_unique(spread(key.hash), entry, |entry| spread(entry.hash));
        row
    }

    /// Records an event of a known entity; returns whether the entity had expired.
    #[inline]
    fn touch(&mut self, row: u32, time: f64) -> bool {
        let Limits { max_entities, expire_after } = self.limits;
        if max_entities.is_none() && expire_after.is_none() {
            return false;
        }
        if row != self.newest {
            self.unlink(row);
            self.link(row);
        }
        let Some(after) = expire_after else { return false };
        let entity = self.entity_mut(row);
        let expired = time - after > entity.time;
        entity.time = entity.time.max(time);
        self.expired += u64::from(expired);
        expired
    }

    /// Drops the least recently used entities, at most a few, if their last event was before `time`.
    fn drop_expired(&mut self, time: f64) {
        for _ in 0..DROPPED_AT_ONCE {
            if self.oldest == NONE || self.entity(self.oldest).time >= time {
                return;
            }
            self.remove(self.oldest);
            self.expired += 1;
        }
    }

    /// Forgets a key; returns whether it was known.
    pub(super) fn forget(&mut self, key: HashedKey<'_>) -> bool {
        let found = self.find(key);
        if let Some(row) = found {
            self.remove(row);
        }
        found.is_some()
    }

    fn remove(&mut self, row: u32) {
        self.unlink(row);
        let hash = self.hasher.hashed(self.entity(row).key.get()).hash;
        if let Ok(entry) = self.table.find_entry(spread(hash), |entry| entry.row == row) {
            entry.remove();
        }
        // Frees the memory of texts and bytes.
        self.entity_mut(row).key = OwnedKey::default();
        self.free.push(row);
    }

    #[inline(always)]
    fn entity(&self, row: u32) -> &Entity {
        &self.rows.row(row)[0]
    }

    #[inline(always)]
    fn entity_mut(&mut self, row: u32) -> &mut Entity {
        &mut self.rows.row_mut(row)[0]
    }

    fn unlink(&mut self, row: u32) {
        let Entity { older, newer, .. } = *self.entity(row);
        match older {
            NONE => self.oldest = newer,
            _ => self.entity_mut(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            _ => self.entity_mut(newer).older = older,
        }
    }

    /// Makes a row the most recently used.
    fn link(&mut self, row: u32) {
        let before = std::mem::replace(&mut self.newest, row);
        match before {
            NONE => self.oldest = row,
            _ => self.entity_mut(before).newer = row,
        }
        let entity = self.entity_mut(row);
        (entity.older, entity.newer) = (before, NONE);
    }

    /// Key, time and row of every entity, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key<'_>, f64, u32)> {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            if next == NONE {
                return None;
            }
            let (row, entity) = (next, self.entity(next));
            next = entity.newer;
            Some((entity.key.get(), entity.time, row))
        })
    }
}
