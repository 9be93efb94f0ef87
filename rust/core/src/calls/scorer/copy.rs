//! [`ScorerCopy`]: a snapshot of all states.

use super::entities::Entities;
use super::keyed::Scorer;
use super::keys::Key;
use super::slabs::Slabs;

use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::memory::check_memory;

/// A snapshot of a scorer's entities with their states.
pub struct ScorerCopy<T: Real> {
    entities: Entities,
    states: Slabs<T>,
    width: usize,
}

impl<T: Real> ScorerCopy<T> {
    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entities were evicted and how many expired.
    pub fn given_up(&self) -> (u64, u64) {
        self.entities.given_up()
    }

    /// Key, time of the last event, and row of each entity, least recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (Key<'_>, f64, u32)> {
        self.entities.iter()
    }

    /// The states in that order, `(entities, state)`.
    pub fn states(&self) -> Result<Vec<T>> {
        check_memory::<T>(self.len() * self.width)?;
        let mut states = Vec::with_capacity(self.len() * self.width);
        for (_, _, row) in self.entities.iter() {
            states.extend_from_slice(self.states.row(row));
        }
        Ok(states)
    }
}

impl<T: Real> Scorer<T> {
    /// A copy of all entities and states.
    pub fn copy(&self) -> Result<ScorerCopy<T>> {
        let width = self.network.config().state_len();
        check_memory::<T>(self.len() * width)?;
        Ok(ScorerCopy { entities: self.entities.clone(), states: self.states.clone(), width })
    }

    /// Replaces all entities by these, as [`ScorerCopy::iter`] yields them, with their states
    /// `(entities, state)`. [`Error::Parameter`] if there are too many or a key occurs twice; then
    /// nothing has changed.
    pub fn restore<'k>(
        &mut self,
        entities: impl ExactSizeIterator<Item = (Key<'k>, f64)>,
        states: &[T],
        given_up: (u64, u64),
    ) -> Result<()> {
        let (width, count) = (self.network.config().state_len(), entities.len());
        check_shape(states.len() == count * width, "states", count * width, states.len())?;
        let refused = |what, expected, got| Err(Error::Parameter { what, expected, got });
        let most = self.entities.limits().max_entities;
        if most.is_some_and(|most| count > most) {
            return refused("max_entities", "at least as many as there are", count.to_string());
        }
        let (mut own, mut slabs) = (self.entities.without_entities(), Slabs::new(width));
        slabs.reserve(own.reserve(count)?)?;
        for ((key, time), state) in entities.zip(states.chunks_exact(width)) {
            let key = self.hasher().hashed(key);
            if own.find(key).is_some() {
                return refused("keys", "all different", format!("{:?} twice", key.key));
            }
            let row = own.add(key, time);
            slabs.row_mut(row).copy_from_slice(state);
        }
        own.set_given_up(given_up);
        (self.entities, self.states) = (own, slabs);
        Ok(())
    }
}
