//! The threads of one call: started once, working in rounds, joined at its end.
//!
//! Starting a thread costs more than computing a small batch, so helpers wait between rounds; they
//! spin, as the next round comes within microseconds. No thread outlives the call, so a process may
//! fork afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How often a waiting thread polls before it yields.
const POLLS: usize = 2_000;

/// In place of a round's number: there are no more rounds.
const END: usize = usize::MAX;

/// The rounds of a team, as its leader sees them.
pub(crate) struct Rounds {
    /// The number of the current round, or [`END`].
    round: AtomicUsize,
}

/// Runs `lead` with a team of `threads`, including the calling one. In each round that it starts, the
/// helpers that are awake run `share` with their own value from `prepare`.
///
/// The leader does not wait for helpers, only for work that they have taken: on a busy machine, a
/// helper may miss rounds and must not delay them.
pub(crate) fn with_team<H, R>(
    threads: usize,
    prepare: impl Fn() -> H + Sync,
    share: impl Fn(&mut H) + Sync,
    lead: impl FnOnce(&Rounds) -> R,
) -> R {
    let rounds = Rounds { round: AtomicUsize::new(0) };
    thread::scope(|scope| {
        // Helpers return even if something here panics; otherwise the scope would never end.
        let _end = Finally(|| rounds.round.store(END, Ordering::Release));
        for _ in 1..threads {
            let help = || rounds.help(&prepare, &share);
            // If the system cannot start more threads, those already started do the work.
            if thread::Builder::new().spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        lead(&rounds)
    })
}

impl Rounds {
    /// Starts a round for the helpers.
    pub(crate) fn start(&self) {
        self.round.fetch_add(1, Ordering::Release);
    }

    fn help<H>(&self, prepare: &impl Fn() -> H, share: &impl Fn(&mut H)) {
        let mut helper = prepare();
        let mut seen = 0;
        loop {
            wait_until(|| self.round.load(Ordering::Acquire) != seen);
            seen = self.round.load(Ordering::Acquire);
            if seen == END {
                return;
            }
            share(&mut helper);
        }
    }
}

/// Spins, and yields after a while.
pub(crate) fn wait_until(done: impl Fn() -> bool) {
    let mut polls = 0;
    while !done() {
        polls += 1;
        if polls < POLLS {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Runs a function when it goes out of scope, also while panicking.
pub(crate) struct Finally<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn helpers_come_to_a_round() {
        for threads in 1..4 {
            let shares = AtomicUsize::new(0);
            let count = |_: &mut ()| {
                shares.fetch_add(1, Ordering::Relaxed);
            };
            with_team(
                threads,
                || (),
                count,
                |rounds| {
                    for round in 1..=100 {
                        rounds.start();
                        wait_until(|| shares.load(Ordering::Relaxed) == round * (threads - 1));
                    }
                },
            );
        }
    }

    #[test]
    fn a_panic_of_leader_or_helper_ends_the_call() {
        let panics = |helper: bool| {
            catch_unwind(AssertUnwindSafe(|| {
                let panicked = AtomicUsize::new(0);
                let share = |_: &mut ()| {
                    let _panicked = Finally(|| panicked.store(1, Ordering::Relaxed));
                    assert!(!helper, "helper");
                };
                with_team(
                    2,
                    || (),
                    share,
                    |rounds| {
                        rounds.start();
                        wait_until(|| panicked.load(Ordering::Relaxed) == 1);
                        assert!(helper, "leader");
                    },
                );
            }))
            .is_err()
        };
        assert!(panics(true));
        assert!(panics(false));
    }
}
