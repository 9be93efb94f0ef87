//! The states of many entities, and their events as these come.
//!
//! | file | what lives there |
//! |---|---|
//! | `keys.rs` | [`Key`], what an entity is known by, and its hash |
//! | `slabs.rs` | rows in blocks that never move: states, entities |
//! | `entities.rs` | the row of each key; the order of use, eviction and expiry |
//! | `schedule.rs` | which events are computed side by side |
//! | `lanes.rs` | how, for any instruction set |
//! | `keyed.rs` | [`Scorer`]: all of it |
//! | `copy.rs` | [`ScorerCopy`], all states at one moment |

mod copy;
mod entities;
mod keyed;
mod keys;
mod lanes;
mod schedule;
mod slabs;

pub use copy::ScorerCopy;
pub use entities::Limits;
pub use keyed::Scorer;
pub use keys::{HashedKey, Key, KeyHasher};
pub(super) use lanes::{MakeScores, Scores};
