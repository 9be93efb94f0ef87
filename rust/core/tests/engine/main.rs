//! The engine against its oracle, and the behaviour of training.

mod cases;
mod categories;
mod digests;
mod initial;
mod oracle;
mod same_bits;
mod scorer;
mod statics;
mod textbook;
mod training;
