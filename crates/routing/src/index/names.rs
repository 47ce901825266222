//! Names to lists of routes, made once and then only read: a lookup reads one word of a table and one cache line.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::Candidate;

/// Names longer than this lie elsewhere.
const INLINE: usize = 51;

/// Stands for the length of such a name.
const FAR: u8 = u8::MAX;

/// Most slots without a gap between them. At most a third of them is taken, so chance alone makes no such run; names that
/// were chosen to collide do, and another seed undoes it.
const LONGEST_RUN: usize = 48;

/// How often another seed is tried.
const SEEDS: u64 = 16;

/// Lists of candidates by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    seed: u64,
    /// A power of two, at least three times as many as there are names: most are found, or not, at the first look.
    slots: Box<[Slot]>,
    entries: Box<[Entry]>,
    /// Lists with more than one candidate.
    lists: Box<[Candidate]>,
    far: Box<[Box<str>]>,
}

/// Half of a name's hash, and where its entry is.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    /// Counted from one; 0 for an empty slot.
    entry: u32,
}

/// All that a lookup has to know, on one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry {
    first: Candidate,
    /// The whole list in [`Names::lists`] where there are more; of length 0 where the first is the only one.
    list: (u32, u32),
    length: u8,
    /// The name, or as four bytes its place in [`Names::far`].
    text: [u8; INLINE],
}

impl Names {
    /// Candidates have to come in the order of the routes; one that is given twice in a row for a name is taken once.
    /// The seed is drawn at random where none is given.
    pub(super) fn new(pairs: &[(&str, Candidate)], seed: Option<u64>) -> Self {
        let groups = group(pairs);
        let (mut lists, mut far) = (Vec::new(), Vec::new());
        let entries: Box<[_]> = groups.iter().map(|group| Entry::new(group, &mut lists, &mut far)).collect();
        let mut names = Self { seed: 0, slots: Box::default(), entries, lists: lists.into(), far: far.into() };
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        for attempt in 0..SEEDS {
            names.seed = seed.wrapping_add(attempt);
            names.slots = slots(&groups, names.seed);
            if longest_run(&names.slots) <= LONGEST_RUN {
                break;
            }
        }
        names
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The candidates of that name in order; none if nobody has it. `look` is called for each slot that is looked at.
    pub(super) fn get(&self, name: &str, look: &mut impl FnMut()) -> &[Candidate] {
        let mask = self.slots.len().wrapping_sub(1);
        let hash = hash(name, self.seed);
        let tag = tag(hash);
        let mut at = place(hash, mask);
        while let Some(slot) = self.slots.get(at)
            && slot.entry != 0
        {
            look();
            if slot.tag == tag
                && let Some(entry) = self.entries.get(slot.entry as usize - 1)
                && self.name(entry) == name.as_bytes()
            {
                return self.list(entry);
            }
            at = (at + 1) & mask;
        }
        &[]
    }

    /// The lists of all names.
    pub(super) fn all(&self) -> impl Iterator<Item = &[Candidate]> {
        self.entries.iter().map(|entry| self.list(entry))
    }

    fn list<'s>(&'s self, entry: &'s Entry) -> &'s [Candidate] {
        match entry.list {
            (_, 0) => std::slice::from_ref(&entry.first),
            (from, length) => self.lists.get(from as usize..).and_then(|l| l.get(..length as usize)).unwrap_or(&[]),
        }
    }

    fn name<'s>(&'s self, entry: &'s Entry) -> &'s [u8] {
        match entry.text.get(..entry.length.into()) {
            Some(name) => name,
            None => {
                let at = entry.text.first_chunk().map_or(0, |at| u32::from_le_bytes(*at));
                self.far.get(at as usize).map_or(&[], |name| name.as_bytes())
            }
        }
    }
}

impl Entry {
    fn new(group: &Group<'_>, lists: &mut Vec<Candidate>, far: &mut Vec<Box<str>>) -> Self {
        let mut entry = Self { first: group.first, list: (0, 0), length: FAR, text: [0; INLINE] };
        if !group.more.is_empty() {
            entry.list = (number(lists.len()), number(group.more.len() + 1));
            lists.push(group.first);
            lists.extend(&group.more);
        }
        match (entry.text.get_mut(..group.name.len()), u8::try_from(group.name.len())) {
            (Some(text), Ok(length)) => {
                text.copy_from_slice(group.name.as_bytes());
                entry.length = length;
            }
            _ => {
                if let Some(text) = entry.text.first_chunk_mut() {
                    *text = number(far.len()).to_le_bytes();
                }
                far.push(group.name.into());
            }
        }
        entry
    }
}

/// A name and its candidates.
struct Group<'n> {
    name: &'n str,
    first: Candidate,
    more: Vec<Candidate>,
}

/// Names in the order in which they came.
fn group<'n>(pairs: &[(&'n str, Candidate)]) -> Vec<Group<'n>> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(pairs.len());
    let mut groups: Vec<Group<'n>> = Vec::new();
    for (name, candidate) in pairs {
        let place = *places.entry(name).or_insert(groups.len());
        match groups.get_mut(place) {
            // A rule may name one host twice.
            Some(group) if group.more.last().unwrap_or(&group.first) == candidate => {}
            Some(group) => group.more.push(*candidate),
            None => groups.push(Group { name, first: *candidate, more: Vec::new() }),
        }
    }
    groups
}

/// Each name in the first empty slot from its own place on.
fn slots(groups: &[Group<'_>], seed: u64) -> Box<[Slot]> {
    if groups.is_empty() {
        return Box::default();
    }
    let mut slots = vec![Slot::default(); (groups.len() * 3).next_power_of_two()];
    let mask = slots.len() - 1;
    for (entry, group) in (1..).zip(groups) {
        let hash = hash(group.name, seed);
        let mut at = place(hash, mask);
        while slots.get(at).is_some_and(|slot| slot.entry != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = slots.get_mut(at) {
            *slot = Slot { tag: tag(hash), entry };
        }
    }
    slots.into()
}

/// The most slots in a row that are taken, also across the end: no lookup looks at more.
fn longest_run(slots: &[Slot]) -> usize {
    let taken = |slot: &Slot| slot.entry != 0;
    let longest = slots.split(|slot| !taken(slot)).map(<[Slot]>::len).max().unwrap_or(0);
    let around = slots.iter().take_while(|s| taken(s)).count() + slots.iter().rev().take_while(|s| taken(s)).count();
    longest.max(around)
}

fn place(hash: u64, mask: usize) -> usize {
    usize::try_from(hash & 0xffff_ffff).unwrap_or(0) & mask
}

fn tag(hash: u64) -> u32 {
    number((hash >> 32) as usize)
}

/// Places and lengths in here are far below 2³².
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A hash under a secret seed, by folded multiplication: sixteen bytes a step, the last sixteen may overlap with those
/// before. Who does not know the seed cannot choose names that collide.
fn hash(name: &str, seed: u64) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd1b5_4a32_d192_ed03;
    let bytes = name.as_bytes();
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(A);
    let (steps, rest) = bytes.as_chunks::<16>();
    for step in steps {
        state = mix(step, state, seed);
    }
    if !rest.is_empty() {
        state = match bytes.last_chunk::<16>() {
            Some(last) => mix(last, state, seed),
            None => {
                let mut last = [0; 16];
                for (to, from) in last.iter_mut().zip(rest) {
                    *to = *from;
                }
                mix(&last, state, seed)
            }
        };
    }
    fold(state ^ B, seed | 1)
}

fn mix(bytes: &[u8; 16], state: u64, seed: u64) -> u64 {
    let word = u128::from_le_bytes(*bytes);
    fold(word as u64 ^ state, (word >> 64) as u64 ^ seed.rotate_left(32))
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: usize) -> Candidate {
        Candidate::new(number(n), false)
    }

    fn names(all: &[String], seed: u64) -> Names {
        let pairs: Vec<_> = all.iter().enumerate().map(|(n, name)| (name.as_str(), candidate(n))).collect();
        Names::new(&pairs, Some(seed))
    }

    #[test]
    fn what_is_put_in_is_found_and_nothing_else() {
        for count in [0, 1, 2, 3, 100, 5_000] {
            let all: Vec<String> = (0..count).map(|n| format!("{}app-{n}.example.com", "x".repeat(n % 60))).collect();
            let index = names(&all, 7);
            for (n, name) in all.iter().enumerate() {
                assert_eq!(index.get(name, &mut || ()), [candidate(n)], "{name}");
                assert!(index.get(&format!("{name}x"), &mut || ()).is_empty());
            }
            assert!(index.get("", &mut || ()).is_empty());
        }
    }

    #[test]
    fn one_name_may_have_many_candidates() {
        let pairs = [("a", 0), ("b", 1), ("a", 2), ("a", 2), ("", 3), ("a", 4)].map(|(name, n)| (name, candidate(n)));
        let index = Names::new(&pairs, None);
        assert_eq!(index.get("a", &mut || ()), [0, 2, 4].map(candidate));
        assert_eq!(index.get("b", &mut || ()), [candidate(1)]);
        assert_eq!(index.get("", &mut || ()), [candidate(3)]);
        assert_eq!(index.all().map(<[_]>::len).sum::<usize>(), 5);
    }

    #[test]
    fn no_lookup_looks_far_under_any_seed() {
        let all: Vec<String> = (0..10_000).map(|n| format!("app-{n:05}.example.com")).collect();
        for seed in [0, 1, 42, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            let index = names(&all, seed);
            let mut looks = 0;
            for name in &all {
                index.get(name, &mut || looks += 1);
            }
            assert!(looks < all.len() * 3 / 2, "{looks} looks for {} names with seed {seed}", all.len());
            assert!(longest_run(&index.slots) <= LONGEST_RUN);
        }
    }

    #[test]
    fn runs_are_measured_across_the_end() {
        let slots = [1, 1, 0, 1, 0, 1].map(|entry| Slot { tag: 0, entry });
        assert_eq!(longest_run(&slots), 3);
        assert_eq!(longest_run(&[]), 0);
        assert_eq!(longest_run(&[1, 1, 1, 0].map(|entry| Slot { tag: 0, entry })), 3);
    }
}
