//! The states of many entities, and scoring their events as they arrive.
//!
//! | file | what lives there |
//! |---|---|
//! | `keys.rs` | [`Key`], which identifies an entity, and its hash |
//! | `slabs.rs` | rows in blocks that never move: states, entities |
//! | `entities.rs` | the row of each key; order of use, eviction and expiry |
//! | `schedule.rs` | which events are computed together |
//! | `lanes.rs` | their computation, for any instruction set |
//! | `keyed.rs` | [`Scorer`], which combines these |
//! | `copy.rs` | [`ScorerCopy`], a snapshot of all states |

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
