//! Values of request headers that are labels: each combination has a number, and there are only so many of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most combinations of values: a client may send whatever it likes.
pub(super) const MOST: usize = 1000;

/// Longest value, in bytes.
const LONGEST: usize = 128;

/// What stands for the values of combinations beyond the most.
const OTHER: &str = "other";

/// The values of one request's headers, by their number counted from one; zero where it has none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderValues(u32);

/// The number of all that have none of their own.
pub(super) const BEYOND: HeaderValues = HeaderValues(u32::MAX);

/// A combination: a text for each label, empty where the header is not there.
pub(super) type Values = Box<[Box<str>]>;

/// All combinations that were seen.
#[derive(Debug, Default)]
pub(super) struct Headers {
    known: Mutex<Known>,
    full: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Arc<Values>, u32>,
    values: Vec<Arc<Values>>,
}

impl Headers {
    /// The number of a combination.
    pub(super) fn number(&self, values: Values) -> HeaderValues {
        if values.iter().all(|value| value.is_empty()) {
            return HeaderValues::default();
        }
        if self.full.load(Ordering::Relaxed) {
            return BEYOND;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(&values) {
            return HeaderValues(*number);
        }
        let Some(number) = u32::try_from(known.values.len() + 1).ok().filter(|_| known.values.len() < MOST) else {
            self.full.store(true, Ordering::Relaxed);
            return BEYOND;
        };
        let values = Arc::new(values);
        known.numbers.insert(Arc::clone(&values), number);
        known.values.push(values);
        HeaderValues(number)
    }

    /// What a number stands for, for so many labels.
    pub(super) fn values(&self, number: HeaderValues, labels: usize) -> Vec<Box<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = number.0.checked_sub(1) else { return vec!["".into(); labels] };
        let found = usize::try_from(at).ok().and_then(|at| known.values.get(at));
        found.map_or_else(|| vec![OTHER.into(); labels], |values| values.to_vec())
    }
}

/// A header's value as a label has it.
pub(super) fn shown(value: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(value);
    let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().into()
}
