//! [`Scorer`]: events by the keys of their entities.

use std::hint::black_box;
use std::sync::Arc;

use super::entities::{Entities, Limits};
use super::keys::{HashedKey, KeyHasher};
use super::lanes::{Events, MakeScores, Scores};
use super::slabs::Slabs;

use crate::calls::compiled::Compiled;
use crate::calls::stepper::check_streams;
use crate::codes::check_categories;
use crate::config::Config;
use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::lanes::simd::Level;
use crate::loss::Loss;
use crate::weights::Network;

/// A network with the states of many sequences, one for each entity: a card, a machine.
///
/// Events may come in any order; an entity's outputs have the same bits as a prediction for its whole
/// sequence. Events of different entities are computed together, in the lanes of a register.
pub struct Scorer<T: Real> {
    pub(super) network: Arc<Network<T>>,
    loss: Loss,
    level: Level,
    inner: Box<dyn Scores<T>>,
    pub(super) states: Slabs<T>,
    pub(super) entities: Entities,
    // Scratch.
    rows: Vec<u32>,
}

/// [`Error::Parameter`] if the network reads anything besides events.
fn check_statics(config: &Config) -> Result<()> {
    if config.statics.is_empty() {
        return Ok(());
    }
    let (what, expected) = ("static features", "none in a scorer, which takes those of events");
    Err(Error::Parameter { what, expected, got: config.statics.len().to_string() })
}

impl<T: Compiled> Scorer<T> {
    /// A scorer without entities. [`Error::Parameter`] in the same cases as for a
    /// [`Stepper`](crate::Stepper), and for invalid limits.
    pub fn new(network: Arc<Network<T>>, loss: Loss, level: Level, limits: Limits) -> Result<Self> {
        check_streams(network.config())?;
        check_statics(network.config())?;
        let states = Slabs::new(network.config().state_len());
        let inner = T::scores(level, MakeScores { network: Arc::clone(&network), loss });
        let entities = Entities::new(limits)?;
        Ok(Self { network, loss, level, inner, states, entities, rows: Vec::new() })
    }

    /// Switches to other weights of the same architecture; without `keep_states`, all entities are
    /// forgotten. [`Error::Parameter`] if the architecture differs.
    pub fn swap(&mut self, network: Arc<Network<T>>, loss: Loss, keep_states: bool) -> Result<()> {
        let sizes = |network: &Network<T>| {
            let config = network.config();
            (config.shape, config.categories, config.cell, config.layers)
        };
        check_streams(network.config())?;
        check_statics(network.config())?;
        if sizes(&network) != sizes(&self.network) {
            let (what, expected) = ("model", "one of the same cell and sizes");
            let got = format!("{:?}", network.config());
            return Err(Error::Parameter { what, expected, got });
        }
        if !keep_states {
            self.clear();
        }
        self.inner = T::scores(self.level, MakeScores { network: Arc::clone(&network), loss });
        (self.network, self.loss) = (network, loss);
        Ok(())
    }
}

impl<T: Real> Scorer<T> {
    /// Hashes keys for this scorer; each scorer hashes differently.
    pub fn hasher(&self) -> &KeyHasher {
        self.entities.hasher()
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network<T>> {
        &self.network
    }

    /// Scores events in order of arrival: features `x (events, F)`, and times if entities expire. Sets
    /// `outputs (events, L)`, and for each event whether its entity started from the state 0, because
    /// it was new or had been given up.
    ///
    /// Allocates only for new entities. After an error, nothing has changed.
    pub fn score(
        &mut self,
        (keys, times): (&[HashedKey<'_>], Option<&[f64]>),
        x: &[T],
        (outputs, new): (&mut [T], &mut [bool]),
    ) -> Result<()> {
        self.check(x, keys.len(), outputs.len())?;
        let mut rows = std::mem::take(&mut self.rows);
        rows.resize(keys.len(), 0);
        let admitted = self.admit((keys, times), (&mut rows, new));
        if admitted.is_ok() {
            let events = Events { x, rows: &rows, new };
            self.inner.score(events, &mut self.states, outputs);
        }
        self.rows = rows;
        admitted
    }

    /// The first half of [`Self::score`]: sets the row of each event's entity, and whether it starts
    /// from the state 0.
    pub fn admit(
        &mut self,
        (keys, times): (&[HashedKey<'_>], Option<&[f64]>),
        (rows, new): (&mut [u32], &mut [bool]),
    ) -> Result<()> {
        let count = keys.len();
        check_shape(new.len() == count, "new", count, new.len())?;
        check_shape(rows.len() == count, "rows", count, rows.len())?;
        self.check_times(times, count)?;
        self.entities.touch_all(keys, rows);
        if let &mut [row] = rows
            && let Some(&state) = self.entities.is_row(row).then(|| &self.states.row(row)[0])
        {
            // Fetched together with the entity, not after it.
            black_box(state);
        }
        let places = self.entities.reserve(count)?;
        self.states.reserve(places)?;
        // If nothing expires, times may be anything and are not kept.
        let times = times.filter(|_| self.entities.limits().expire_after.is_some());
        for (event, &key) in keys.iter().enumerate() {
            let time = times.map_or(f64::NEG_INFINITY, |times| times[event]);
            (rows[event], new[event]) = self.entities.admit(key, time);
        }
        Ok(())
    }

    /// The second half of [`Self::score`]: scores events with the rows that [`Self::admit`] has set.
    pub fn step(
        &mut self,
        (rows, new): (&[u32], &[bool]),
        x: &[T],
        outputs: &mut [T],
    ) -> Result<()> {
        self.check(x, rows.len(), outputs.len())?;
        check_shape(new.len() == rows.len(), "new", rows.len(), new.len())?;
        let known = self.entities.rows();
        let beyond = rows.iter().find(|&&row| row >= known);
        check_shape(beyond.is_none(), "rows", format_args!("below {known}"), beyond.unwrap_or(&0))?;
        if !rows.is_empty() {
            self.inner.score(Events { x, rows, new }, &mut self.states, outputs);
        }
        Ok(())
    }

    /// Checks that there is a time for each event, if entities expire.
    pub fn check_times(&self, times: Option<&[f64]>, events: usize) -> Result<()> {
        let got = times.map_or(events, <[f64]>::len);
        check_shape(got == events, "times", events, got)?;
        let expire = self.entities.limits().expire_after.is_some() && events > 0;
        let got = match times {
            _ if !expire => return Ok(()),
            None => "none".into(),
            Some(times) => match times.iter().find(|time| !time.is_finite()) {
                None => return Ok(()),
                Some(time) => time.to_string(),
            },
        };
        let (what, expected) = ("time", "a finite number for each event, as entities expire");
        Err(Error::Parameter { what, expected, got })
    }

    /// Checks that events have valid features for the network, and that there is room for their
    /// outputs.
    pub fn check(&self, x: &[T], events: usize, outputs: usize) -> Result<()> {
        let config = self.network.config();
        let (columns, wanted) = (config.features(), events * config.shape.output);
        check_shape(x.len() == events * columns, "features", events * columns, x.len())?;
        check_shape(outputs == wanted, "outputs", wanted, outputs)?;
        check_categories(x, config)
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entities were evicted to make room, and how many expired.
    pub fn given_up(&self) -> (u64, u64) {
        self.entities.given_up()
    }

    /// Sets an entity's state to 0; returns whether it is known.
    pub fn reset(&mut self, key: HashedKey<'_>) -> bool {
        let row = self.entities.find(key);
        if let Some(row) = row {
            self.states.row_mut(row).fill(T::ZERO);
        }
        row.is_some()
    }

    /// Forgets an entity; returns whether it was known.
    pub fn forget(&mut self, key: HashedKey<'_>) -> bool {
        self.entities.forget(key)
    }

    /// Forgets all entities.
    pub fn clear(&mut self) {
        self.entities = self.entities.without_entities();
        self.states = Slabs::new(self.network.config().state_len());
    }

    /// The row of a known entity.
    pub fn row(&self, key: HashedKey<'_>) -> Option<u32> {
        self.entities.find(key)
    }

    /// The state of a known entity, layer by layer: h, followed by c in an LSTM.
    pub fn state(&self, key: HashedKey<'_>) -> Option<&[T]> {
        self.entities.find(key).map(|row| self.states.row(row))
    }
}
