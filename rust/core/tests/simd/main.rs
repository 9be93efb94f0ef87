//! Lanes and elementary functions on every instruction set of the machine.

mod common;
mod elementary;
mod groups;
mod operations;
