//! `GradientDescent`: a method with its moments.

use crate::error::{Error, Result, check_shape};
use crate::lanes::Real;
use crate::lanes::aligned::Aligned;
use crate::lanes::simd::{Kernel, Lanes, Level, Simd, WithSimd, dispatch};
use crate::memory::check_memory;
use crate::optim::rules::{Adagrad, Adam, Momentum, RmsProp, Rule, Sgd, eps};
use crate::optim::{Method, Optimizer};

/// Gradient descent by a [`Method`], with the moments and the step count that training resumes from.
#[derive(Clone, Debug)]
pub struct GradientDescent<T: Real> {
    method: Method,
    len: usize,
    steps: u64,
    moments: Vec<Aligned<T>>,
    /// The moments before the last step; meaningless after [`Optimizer::undo`].
    previous: Vec<Aligned<T>>,
    can_undo: bool,
}

impl<T: Real> GradientDescent<T> {
    /// The largest step count to resume from: `f64` is exact up to here, and no training takes as many.
    pub const MOST_STEPS: u64 = 1 << 53;

    /// A method before its first step, for `len` parameters, a whole number of groups; otherwise
    /// panics.
    ///
    /// # Errors
    /// [`Parameter`](crate::Error::Parameter) if a parameter of the method is not allowed,
    /// [`Memory`](crate::Error::Memory) if there is no room for the moments.
    pub fn new(method: Method, len: usize) -> Result<Self> {
        assert!(len.is_multiple_of(T::LANES), "a whole number of groups");
        method.check()?;
        let count = method.moments().len();
        check_memory::<T>((2 * count).saturating_mul(len))?;
        // Zeroed memory takes no space until it is written to at the first step.
        let zeros = || (0..count).map(|_| Aligned::zeros(len)).collect::<Vec<_>>();
        let (mut moments, previous) = (zeros(), zeros());
        if method.first_moment() != 0.0 {
            for moment in &mut moments {
                moment.fill(T::from_f64(method.first_moment()));
            }
        }
        Ok(Self { method, len, steps: 0, moments, previous, can_undo: false })
    }

    /// Occupies the memory of the moments before the first step, so that later checks only count on
    /// what is left. [`Memory`](crate::Error::Memory) if there is not enough.
    pub fn take_memory(&mut self) -> Result<()> {
        if self.steps > 0 {
            return Ok(());
        }
        check_memory::<T>((2 * self.moments.len()).saturating_mul(self.len))?;
        // A copy is written to memory. The previous moments may be anything before the first step.
        self.moments = self.moments.clone();
        self.previous.clone_from(&self.moments);
        Ok(())
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Every moment by its name in PyTorch, in the order of the parameters.
    pub fn moments(&self) -> Vec<(&'static str, &[T])> {
        self.method.moments().iter().copied().zip(self.moments.iter().map(|m| &**m)).collect()
    }

    /// Resumes from the [`Self::steps`] and [`Self::moments`] of another optimiser.
    ///
    /// # Errors
    /// A moment is missing, unknown to the method, or of another length; or there are more than
    /// [`Self::MOST_STEPS`] steps. Nothing is changed then.
    pub fn restore(&mut self, steps: u64, moments: &[(&str, &[T])]) -> Result<()> {
        if steps > Self::MOST_STEPS {
            let (what, expected) = ("optimizer steps", "at most 2^53");
            return Err(Error::Parameter { what, expected, got: steps.to_string() });
        }
        let names = self.method.moments();
        for (name, values) in moments {
            check_shape(names.contains(name), "optimizer moments", names.join(", "), name)?;
            check_shape(values.len() == self.len, "optimizer moments", self.len, values.len())?;
        }
        let of = |name| moments.iter().find(|(given, _)| *given == name);
        let missing = names.iter().find(|&&name| of(name).is_none());
        check_shape(missing.is_none(), "optimizer moments", names.join(", "), "some of them")?;
        for (name, own) in names.iter().zip(&mut self.moments) {
            own.copy_from_slice(of(*name).expect("none is missing").1);
        }
        (self.steps, self.can_undo) = (steps, false);
        Ok(())
    }

    /// The step with this number, from the moments in `previous`.
    fn apply(&mut self, level: Level, rate: f64, slices: (&[T], &mut [T], &mut [T])) -> bool {
        let t = T::from_f64;
        match self.method {
            Method::Sgd { momentum, nesterov, weight_decay } => {
                let (rate, weight_decay) = (t(rate), t(weight_decay));
                if self.moments.is_empty() {
                    return self.update(level, Sgd { rate, weight_decay }, slices);
                }
                let momentum = t(momentum);
                self.update(level, Momentum { rate, weight_decay, momentum, nesterov }, slices)
            }
            Method::RmsProp { alpha, eps: epsilon, weight_decay, momentum, centered } => {
                let rule = RmsProp {
                    rate: t(rate),
                    weight_decay: t(weight_decay),
                    alpha: t(alpha),
                    fresh: t(1.0 - alpha),
                    eps: eps(epsilon),
                    momentum: t(momentum),
                    centered,
                };
                match self.moments.len() {
                    1 => self.update::<1>(level, rule, slices),
                    2 => self.update::<2>(level, rule, slices),
                    _ => self.update::<3>(level, rule, slices),
                }
            }
            Method::Adagrad { lr_decay, weight_decay, eps: epsilon, .. } => {
                let rate = rate / (1.0 + (self.steps - 1) as f64 * lr_decay);
                let (rate, weight_decay) = (t(rate), t(weight_decay));
                self.update(level, Adagrad { rate, weight_decay, eps: eps(epsilon) }, slices)
            }
            Method::Adam { beta1, beta2, eps, weight_decay } => {
                let rule = adam(self.steps, rate, (beta1, beta2), eps);
                self.update(level, Adam { weight_decay: t(weight_decay), ..rule }, slices)
            }
            Method::AdamW { beta1, beta2, eps, weight_decay } => {
                let rule = adam(self.steps, rate, (beta1, beta2), eps);
                self.update(level, Adam { keep: t(1.0 - rate * weight_decay), ..rule }, slices)
            }
        }
    }

    /// Makes the last step final, so that [`Optimizer::undo`] cannot undo it.
    pub fn settle(&mut self) {
        self.can_undo = false;
    }

    /// Moves the parameters by a rule with M moments, which are in `previous`.
    fn update<const M: usize>(
        &mut self,
        level: Level,
        rule: impl Rule<T, M>,
        (before, gradient, after): (&[T], &mut [T], &mut [T]),
    ) -> bool {
        let old: &[Aligned<T>; M] = self.previous[..].try_into().expect("the method's count");
        let new: &mut [Aligned<T>; M] =
            (&mut self.moments[..]).try_into().expect("the method's count");
        let (old, new) = (old.each_ref().map(|m| &**m), new.each_mut().map(|m| &mut **m));
        dispatch(level, Update { rule, before, gradient, after, old, new })
    }
}

impl<T: Real> Optimizer<T> for GradientDescent<T> {
    fn step(
        &mut self,
        level: Level,
        rate: f64,
        before: &[T],
        gradient: &mut [T],
        after: &mut [T],
    ) -> bool {
        for len in [before.len(), gradient.len(), after.len()] {
            assert_eq!(len, self.len, "the parameters that the moments are of");
        }
        std::mem::swap(&mut self.moments, &mut self.previous);
        self.steps += 1;
        self.can_undo = true;
        self.apply(level, rate, (before, gradient, after))
    }

    fn undo(&mut self) {
        if self.can_undo {
            std::mem::swap(&mut self.moments, &mut self.previous);
            self.steps -= 1;
            self.can_undo = false;
        }
    }
}

/// Adam's rule at a step, without weight decay.
fn adam<T: Real>(steps: u64, rate: f64, (beta1, beta2): (f64, f64), epsilon: f64) -> Adam<T> {
    let correction = 1.0 - power(beta1, steps);
    let root = (1.0 - power(beta2, steps)).sqrt();
    Adam {
        rate: T::from_f64(rate * root / correction),
        weight_decay: T::ZERO,
        keep: T::ONE,
        fresh: T::from_f64(1.0 - beta1),
        beta2: T::from_f64(beta2),
        fresh_square: T::from_f64(1.0 - beta2),
        eps: eps(epsilon * root),
    }
}

/// `base` to an integer power, by repeated products: the same bits on every machine.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if !exponent.is_multiple_of(2) {
            result *= base;
        }
        base *= base;
        exponent /= 2;
    }
    result
}

/// One step of a rule.
struct Update<'a, T, R, const M: usize> {
    rule: R,
    before: &'a [T],
    gradient: &'a mut [T],
    after: &'a mut [T],
    old: [&'a [T]; M],
    new: [&'a mut [T]; M],
}

impl<T: Real, R: Rule<T, M>, const M: usize> WithSimd for Update<'_, T, R, M> {
    type Output = bool;

    fn run<S: Simd>(self, simd: S) -> bool {
        simd.vectorize(self)
    }
}

impl<T: Real, R: Rule<T, M>, const M: usize, S: Simd> Kernel<S> for Update<'_, T, R, M> {
    type Output = bool;

    #[inline(always)]
    fn run(self, simd: S) -> bool {
        let Self { rule, before, gradient, after, old, new } = self;
        // 0 · w is 0 for finite w, else NaN. Separate sums, as each addition waits for the one before.
        let zero = simd.zero::<T>();
        let (mut check, mut checks) = (zero, [zero; M]);
        let groups = before.chunks_exact(T::LANES).zip(gradient.chunks_exact_mut(T::LANES));
        let mut at = 0;
        for ((w, g), after) in groups.zip(after.chunks_exact_mut(T::LANES)) {
            let mut moments = [zero; M];
            for m in 0..M {
                moments[m] = simd.load(&old[m][at..at + T::LANES]);
            }
            let w = rule.apply(simd.load(w), simd.load(g), &mut moments);
            zero.store(g);
            check = w.fma(zero, check);
            w.store(after);
            for m in 0..M {
                checks[m] = moments[m].fma(zero, checks[m]);
                moments[m].store(&mut new[m][at..at + T::LANES]);
            }
            at += T::LANES;
        }
        for m in 0..M {
            check = check + checks[m];
        }
        check.reduce_add() == T::ZERO
    }
}
