//! The scorer: the bits of predictions, whatever the order of events, evictions and copies.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cases::Cases;
use rnn_rust::simd::Level;
use rnn_rust::*;

/// Keys of every kind; none is like another.
fn key_of(entity: usize, texts: &[String]) -> Key<'_> {
    match entity % 4 {
        0 => Key::from(entity as u64),
        1 => Key::from(-(entity as i64)),
        2 => Key::Text(&texts[entity]),
        _ => Key::Bytes(texts[entity].as_bytes()),
    }
}

/// Events of entities: some of these come often, and others hardly ever.
struct Stream<T> {
    entities: Vec<usize>,
    times: Vec<f64>,
    x: Vec<T>,
    columns: usize,
}

impl<T: Compiled> Stream<T> {
    fn new(cases: &mut Cases, config: &Config, (events, entities): (usize, usize)) -> Self {
        let data = cases.data_for::<T>(config, Loss::Mse, &[events]);
        let pick = |cases: &mut Cases| {
            let most = if cases.size(0, 1) == 0 { 1 } else { entities - 1 };
            cases.size(0, most)
        };
        let entities = (0..events).map(|_| pick(cases)).collect();
        // Mostly forward, at times late.
        let times = (0..events).map(|i| i as f64 - cases.size(0, 30) as f64 * 0.1).collect();
        Self { entities, times, x: data.features, columns: config.features() }
    }

    /// Predictions of each run of events that begins with a new one of its entity.
    fn expected(&self, network: &Network<T>, new: &[bool], level: Level) -> Vec<T> {
        let mut sequences: Vec<Vec<usize>> = Vec::new();
        let mut current = HashMap::new();
        for (event, &entity) in self.entities.iter().enumerate() {
            if new[event] {
                current.insert(entity, sequences.len());
                sequences.push(Vec::new());
            }
            sequences[current[&entity]].push(event);
        }
        let order: Vec<usize> = sequences.concat();
        let row = |event: usize| &self.x[event * self.columns..(event + 1) * self.columns];
        let x: Vec<T> = order.iter().flat_map(|&event| row(event)).copied().collect();
        let mut offsets = vec![0];
        for sequence in &sequences {
            offsets.push(offsets[offsets.len() - 1] + sequence.len() as i64);
        }
        let mut go_on = || true;
        let mut context = Context::new(&mut go_on).unwrap().with_level(level);
        let data = Sequences::new(&x, &[], &offsets, (self.columns, 1)).unwrap();
        let sorted = network.predict(&data, Loss::Mse, &mut context).unwrap();
        let outputs = network.config().shape.output;
        let mut expected = vec![T::ZERO; sorted.len()];
        for (&event, row) in order.iter().zip(sorted.chunks(outputs)) {
            expected[event * outputs..(event + 1) * outputs].copy_from_slice(row);
        }
        expected
    }

    /// Which events find no state: the order of use as a list, and nothing else.
    fn new_events(&self, limits: Limits) -> (Vec<bool>, (u64, u64)) {
        let mut used: Vec<(usize, f64)> = Vec::new();
        let (mut evicted, mut expired) = (0, 0);
        let new = self.entities.iter().zip(&self.times).map(|(&entity, &time)| {
            if let Some(after) = limits.expire_after {
                let old = used.iter().take_while(|(_, last)| *last < time - after).count().min(2);
                used.drain(..old);
                expired += old as u64;
            }
            let known = used.iter().position(|&(other, _)| other == entity);
            let last = known.map(|at| used.remove(at).1);
            if last.is_none() && limits.max_entities.is_some_and(|most| used.len() == most) {
                used.remove(0);
                evicted += 1;
            }
            let late =
                limits.expire_after.is_some_and(|after| last.is_some_and(|l| time - after > l));
            expired += u64::from(late);
            used.push((entity, last.map_or(time, |last| last.max(time))));
            last.is_none() || late
        });
        (new.collect(), (evicted, expired))
    }

    /// Outputs of a scorer that takes the events in batches; with `copies`, which makes one without
    /// entities, it is copied and restored on the way.
    fn scored(
        &self,
        scorer: &mut Scorer<T>,
        batch: &mut dyn FnMut() -> usize,
        copies: Option<&dyn Fn() -> Scorer<T>>,
    ) -> (Vec<T>, Vec<bool>) {
        let texts: Vec<String> = (0..1000).map(|entity| format!("card {entity}")).collect();
        let outputs = scorer.network().config().shape.output;
        let mut all = vec![T::ZERO; self.entities.len() * outputs];
        let mut all_new = vec![false; self.entities.len()];
        let (mut from, mut restored) = (0, None);
        while from < self.entities.len() {
            let scorer = restored.as_mut().unwrap_or(scorer);
            let events = from..(from + batch()).min(self.entities.len());
            from = events.end;
            let entities = &self.entities[events.clone()];
            let keys: Vec<HashedKey<'_>> =
                entities.iter().map(|&e| scorer.hasher().hashed(key_of(e, &texts))).collect();
            let x = &self.x[events.start * self.columns..events.end * self.columns];
            let own = &mut all[events.start * outputs..events.end * outputs];
            let new = &mut all_new[events.clone()];
            scorer.score((&keys, Some(&self.times[events])), x, (own, new)).unwrap();
            if let Some(make) = copies.filter(|_| from.is_multiple_of(3)) {
                restored = Some(copied(scorer, make()));
            }
        }
        (all, all_new)
    }
}

/// `other` with the entities of a scorer.
fn copied<T: Compiled>(scorer: &Scorer<T>, mut other: Scorer<T>) -> Scorer<T> {
    let copy = scorer.copy().unwrap();
    let entities: Vec<(Key<'_>, f64)> = copy.iter().map(|(key, time, _)| (key, time)).collect();
    assert_eq!(entities.len(), copy.len());
    other.restore(entities.into_iter(), &copy.states().unwrap(), copy.given_up()).unwrap();
    other
}

fn streams_are_predictions<T: Compiled>(seed: u64) {
    let mut cases = Cases::new(seed);
    let any = cases.any_config(if seed.is_multiple_of(3) { 40 } else { 12 });
    let (readout, statics) = (Readout::EachStep, StaticFeatures::default());
    let config = Config { bidirectional: false, readout, statics, ..any };
    let network = Arc::new(cases.network::<T>(config));
    let stream = Stream::<T>::new(&mut cases, &config, (700, 60));
    let limits = [
        Limits::default(),
        Limits { max_entities: Some(cases.size(1, 60)), expire_after: None },
        Limits { max_entities: None, expire_after: Some(40.0) },
        Limits { max_entities: Some(20), expire_after: Some(cases.size(0, 60) as f64) },
    ][seed as usize % 4];
    let (new, given_up) = stream.new_events(limits);
    let mut seen: Vec<Vec<T>> = Vec::new();
    for level in Level::available() {
        let expected = stream.expected(&network, &new, level);
        for most in [1, 5, 64, 700] {
            let make = || Scorer::new(Arc::clone(&network), Loss::Mse, level, limits).unwrap();
            let mut scorer = make();
            let mut batch = || cases.size(1, most);
            let (outputs, own_new) = stream.scored(&mut scorer, &mut batch, None);
            assert_eq!(own_new, new, "{level}, batches of {most}, case {seed}");
            assert_eq!(outputs, expected, "{level}, batches of {most}, case {seed}");
            assert_eq!(scorer.given_up(), given_up, "{level}, case {seed}");
            let (outputs, own_new) = stream.scored(&mut make(), &mut batch, Some(&make));
            assert_eq!((own_new, outputs), (new.clone(), expected.clone()), "{level}, restored");
        }
        if level.name() != "portable" {
            seen.push(expected);
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "instruction sets differ");
}

#[test]
fn outputs_are_those_of_predictions() {
    for seed in 0..24 {
        streams_are_predictions::<f32>(seed);
        streams_are_predictions::<f64>(seed);
    }
}

fn scorer(limits: Limits) -> Scorer<f32> {
    let shape = Shape { input: 2, hidden: 3, output: 1 };
    let network = Network::new(Config::new(shape, Cell::Lstm), Init::Pytorch, 0).unwrap();
    Scorer::new(Arc::new(network), Loss::Mse, Level::available()[0], limits).unwrap()
}

fn one(scorer: &mut Scorer<f32>, key: Key<'_>) -> (f32, bool) {
    let (mut y, mut new) = ([0.0], [false]);
    let key = scorer.hasher().hashed(key);
    scorer.score((&[key], None), &[0.3, 0.4], (&mut y, &mut new)).unwrap();
    (y[0], new[0])
}

#[test]
fn entities_are_reset_forgotten_and_swapped() {
    let mut scorer = scorer(Limits::default());
    let (card, hashed) = (Key::Text("card"), scorer.hasher().hashed(Key::Text("card")));
    let (first, new) = one(&mut scorer, card);
    let second = one(&mut scorer, card);
    assert!(new && second.0 != first && !second.1);
    assert_eq!(scorer.state(hashed).unwrap().len(), 6);
    assert!(scorer.reset(hashed) && scorer.state(hashed) == Some(&[0.0; 6]));
    assert_eq!(one(&mut scorer, card), (first, false));
    assert!(scorer.forget(hashed) && !scorer.forget(hashed) && !scorer.reset(hashed));
    assert_eq!((one(&mut scorer, card), scorer.len()), ((first, true), 1));
    let network = Arc::clone(scorer.network());
    scorer.swap(Arc::clone(&network), Loss::Mse, true).unwrap();
    assert_eq!(one(&mut scorer, card), (second.0, false));
    scorer.swap(network, Loss::Mse, false).unwrap();
    assert_eq!((one(&mut scorer, card), scorer.len()), ((first, true), 1));
    let shape = Shape { input: 2, hidden: 4, output: 1 };
    let other = Network::new(Config::new(shape, Cell::Lstm), Init::Pytorch, 0).unwrap();
    let swapped = scorer.swap(Arc::new(other), Loss::Mse, true);
    assert!(swapped.unwrap_err().to_string().starts_with("model"));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let limits = Limits { max_entities: Some(2), expire_after: Some(1.0) };
    let mut scorer = scorer(limits);
    let key = scorer.hasher().hashed(Key::Number(1));
    let (mut y, mut new) = ([0.0; 2], [false; 2]);
    let mut refused = |times: Option<&[f64]>, x: &[f32]| {
        let outcome = scorer.score((&[key, key], times), x, (&mut y, &mut new));
        assert!(scorer.is_empty());
        outcome.unwrap_err().to_string()
    };
    assert!(refused(None, &[0.0; 4]).starts_with("time"));
    assert!(refused(Some(&[0.0, f64::NAN]), &[0.0; 4]).starts_with("time"));
    assert!(refused(Some(&[0.0]), &[0.0; 4]).starts_with("times"));
    assert!(refused(Some(&[0.0; 2]), &[0.0; 3]).starts_with("features"));
    assert!(scorer.step((&[0], &[true]), &[0.0; 2], &mut [0.0]).is_err(), "there is no row");
    scorer.restore([(Key::Number(1), 0.0)].into_iter(), &[1.0; 6], (1, 2)).unwrap();
    let twice = [(Key::Number(2), 0.0), (Key::Number(2), 0.0)];
    let twice = scorer.restore(twice.into_iter(), &[0.0; 12], (0, 0));
    assert!(twice.unwrap_err().to_string().starts_with("keys"));
    assert_eq!(
        (scorer.len(), scorer.state(key), scorer.given_up()),
        (1, Some(&[1.0; 6][..]), (1, 2))
    );
    for limits in [
        Limits { max_entities: Some(0), expire_after: None },
        Limits { max_entities: None, expire_after: Some(-1.0) },
    ] {
        let network = Arc::clone(scorer.network());
        assert!(Scorer::new(network, Loss::Mse, Level::available()[0], limits).is_err());
    }
    let shape = Shape { input: 2, hidden: 3, output: 1 };
    let both = Config { bidirectional: true, ..Config::new(shape, Cell::Lstm) };
    let network = Arc::new(Network::<f32>::new(both, Init::Pytorch, 0).unwrap());
    assert!(Scorer::new(network, Loss::Mse, Level::available()[0], limits).is_err());
}
