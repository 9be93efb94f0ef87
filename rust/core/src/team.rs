//! A team of threads for one call: started once, working in rounds, gone at its end.
//!
//! Starting a thread costs more than many a batch, so helpers wait between rounds; and as the next
//! round comes within microseconds, they wait awake. Nothing outlives the call, so a process that
//! forks later has no thread to lose.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Looks at a counter before a waiting thread lets others run.
const LOOKS: usize = 2_000;

/// The number of a round that never comes.
const END: usize = usize::MAX;

/// The rounds of a team, as its leader sees them.
pub(crate) struct Rounds {
    helpers: usize,
    /// The number of the current round, or [`END`].
    round: AtomicUsize,
    /// How many shares of all rounds so far the helpers have finished.
    finished: AtomicUsize,
}

/// Runs `lead` with a team of `threads`, the calling one included. In each round that it calls,
/// every helper runs `share` once, with the value that `prepare` made for it.
pub(crate) fn with_team<H, R>(
    threads: usize,
    prepare: impl Fn() -> H + Sync,
    share: impl Fn(&mut H) + Sync,
    lead: impl FnOnce(&Rounds) -> R,
) -> R {
    let rounds =
        Rounds { helpers: threads - 1, round: AtomicUsize::new(0), finished: AtomicUsize::new(0) };
    thread::scope(|scope| {
        for _ in 0..rounds.helpers {
            scope.spawn(|| rounds.help(&prepare, &share));
        }
        // The helpers are sent home also if `lead` panics, or the scope would wait for ever.
        let _end = Finally(|| rounds.round.store(END, Ordering::Release));
        lead(&rounds)
    })
}

impl Rounds {
    /// One round: helpers do their shares while the leader does `own`. Returns when all are done.
    pub(crate) fn run<R>(&self, own: impl FnOnce() -> R) -> R {
        let round = self.round.load(Ordering::Relaxed) + 1;
        self.round.store(round, Ordering::Release);
        let result = own();
        wait_until(|| self.finished.load(Ordering::Acquire) == round * self.helpers);
        result
    }

    fn help<H>(&self, prepare: &impl Fn() -> H, share: &impl Fn(&mut H)) {
        let mut helper = prepare();
        for next in 1.. {
            wait_until(|| self.round.load(Ordering::Acquire) >= next);
            if self.round.load(Ordering::Acquire) == END {
                return;
            }
            // A share that panics is finished too: the leader goes on, and the scope panics.
            let _finished = Finally(|| {
                self.finished.fetch_add(1, Ordering::Release);
            });
            share(&mut helper);
        }
    }
}

fn wait_until(done: impl Fn() -> bool) {
    let mut looks = 0;
    while !done() {
        looks += 1;
        if looks < LOOKS {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Does something when it goes out of scope, panics included.
struct Finally<F: Fn()>(F);

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
    fn every_helper_works_once_per_round() {
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
                        rounds.run(|| ());
                        assert_eq!(shares.load(Ordering::Relaxed), round * (threads - 1));
                    }
                },
            );
        }
    }

    #[test]
    fn a_panic_of_leader_or_helper_ends_the_call() {
        let panics = |helper: bool| {
            catch_unwind(AssertUnwindSafe(|| {
                let share = |_: &mut ()| assert!(!helper, "helper");
                with_team(
                    2,
                    || (),
                    share,
                    |rounds| {
                        rounds.run(|| ());
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
