//! An ordered map whose copies share what they have in common: a copy of ten thousand entries costs some two hundred
//! reference counts, a change in one of them copies one chunk, and two copies tell what differs between them by looking
//! at the chunks that they do not share.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Index;
use std::slice;
use std::sync::Arc;

/// Most entries of a chunk; a fuller one is split in the middle.
const MOST: usize = 64;

type Entry<K, V> = Arc<(K, V)>;
type Chunk<K, V> = Arc<Vec<Entry<K, V>>>;

/// See the module. Reads like a [`BTreeMap`](std::collections::BTreeMap).
pub struct SharedMap<K, V> {
    /// None is empty; keys ascend within a chunk and from one to the next.
    chunks: Vec<Chunk<K, V>>,
    len: usize,
}

/// A key that two maps have different entries for.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference<'m, K, V> {
    /// The key.
    pub key: &'m K,
    /// The value in the map that was before.
    pub before: Option<&'m V>,
    /// The value in the map that is after.
    pub after: Option<&'m V>,
}

impl<K, V> SharedMap<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries by ascending key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { chunks: self.chunks.iter(), entries: [].iter() }
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values by ascending key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Both are the same copy: nothing was changed in either since.
    pub fn is_same(&self, other: &Self) -> bool {
        self.chunks.len() == other.chunks.len() && self.chunks.iter().zip(&other.chunks).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of that key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The entry of that key.
    pub fn get_key_value(&self, key: &K) -> Option<(&K, &V)> {
        let (chunk, at) = self.find(key).ok()?;
        self.chunks.get(chunk)?.get(at).map(|entry| (&entry.0, &entry.1))
    }

    /// Whether there is one.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// Puts a value in, in place of the one that may be there.
    pub fn insert(&mut self, key: K, value: V) {
        let place = self.find(&key);
        let entry = Arc::new((key, value));
        match place {
            Ok((chunk, at)) => {
                if let Some(old) = self.chunks.get_mut(chunk).and_then(|chunk| Arc::make_mut(chunk).get_mut(at)) {
                    *old = entry;
                }
            }
            Err((chunk, at)) => {
                self.len += 1;
                let Some(entries) = self.chunks.get_mut(chunk).map(Arc::make_mut) else {
                    self.chunks.push(Arc::new(vec![entry]));
                    return;
                };
                entries.insert(at.min(entries.len()), entry);
                if entries.len() > MOST {
                    // One that is filled in ascending order stays full.
                    let rest = entries.split_off(if at == MOST { MOST } else { MOST / 2 });
                    self.chunks.insert(chunk + 1, Arc::new(rest));
                }
            }
        }
    }

    /// Takes a key out; true if it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let Ok((place, at)) = self.find(key) else { return false };
        let Some(chunk) = self.chunks.get_mut(place) else { return false };
        self.len -= 1;
        let entries = Arc::make_mut(chunk);
        entries.remove(at);
        if entries.is_empty() {
            self.chunks.remove(place);
        }
        true
    }

    /// What is different in this map from what it was in `before`, by ascending key. Entries that are not shared count as
    /// different whatever their values are.
    pub fn differences<'m>(&'m self, before: &'m Self) -> Vec<Difference<'m, K, V>> {
        let (mut old, mut new) = (Cursor::new(&before.chunks), Cursor::new(&self.chunks));
        let mut found = Vec::new();
        loop {
            if old.skip_shared(&mut new) {
                continue;
            }
            let order = match (old.entry(), new.entry()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {
                    old.advance();
                    new.advance();
                    continue;
                }
                (Some(a), Some(b)) => a.0.cmp(&b.0),
            };
            let before = if order.is_le() { old.advance() } else { None };
            let after = if order.is_ge() { new.advance() } else { None };
            if let Some(entry) = after.or(before) {
                found.push(Difference { key: &entry.0, before: before.map(|e| &e.1), after: after.map(|e| &e.1) });
            }
        }
    }

    /// Where the key is, or where it belongs: the chunk and the place in it.
    fn find(&self, key: &K) -> Result<(usize, usize), (usize, usize)> {
        let after = self.chunks.partition_point(|chunk| chunk.first().is_some_and(|first| first.0 <= *key));
        let place = after.saturating_sub(1);
        let Some(chunk) = self.chunks.get(place) else { return Err((0, 0)) };
        let found = chunk.binary_search_by(|entry| entry.0.cmp(key));
        found.map(|at| (place, at)).map_err(|at| (place, at))
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// The value of that key, to be changed; it is no longer shared then.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (chunk, at) = self.find(key).ok()?;
        Arc::make_mut(self.chunks.get_mut(chunk)?).get_mut(at).map(|entry| &mut Arc::make_mut(entry).1)
    }

    /// All values, to be changed; none is shared any longer.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.chunks.iter_mut().flat_map(Arc::make_mut).map(|entry| &mut Arc::make_mut(entry).1)
    }
}

/// A place in a list of chunks.
struct Cursor<'m, K, V> {
    chunks: &'m [Chunk<K, V>],
    at: usize,
}

impl<'m, K, V> Cursor<'m, K, V> {
    fn new(chunks: &'m [Chunk<K, V>]) -> Self {
        Self { chunks, at: 0 }
    }

    fn entry(&self) -> Option<&'m Entry<K, V>> {
        self.chunks.first()?.get(self.at)
    }

    fn advance(&mut self) -> Option<&'m Entry<K, V>> {
        let (chunk, rest) = self.chunks.split_first()?;
        let entry = chunk.get(self.at);
        self.at += 1;
        if self.at >= chunk.len() {
            (self.chunks, self.at) = (rest, 0);
        }
        entry
    }

    /// Goes beyond a chunk that both have, if both are at its beginning.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        match (self.chunks.split_first(), other.chunks.split_first()) {
            (Some((a, rest)), Some((b, others_rest))) if self.at == 0 && other.at == 0 && Arc::ptr_eq(a, b) => {
                (self.chunks, other.chunks) = (rest, others_rest);
                true
            }
            _ => false,
        }
    }
}

/// Entries of a [`SharedMap`] by ascending key.
pub struct Iter<'m, K, V> {
    chunks: slice::Iter<'m, Chunk<K, V>>,
    entries: slice::Iter<'m, Entry<K, V>>,
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some((&entry.0, &entry.1));
            }
            self.entries = self.chunks.next()?.iter();
        }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && (self.is_same(other) || self.iter().eq(other.iter()))
    }
}

impl<'m, K, V> IntoIterator for &'m SharedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| self.insert(key, value));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SharedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + fmt::Debug, V> Index<&K> for SharedMap<K, V> {
    type Output = V;

    #[expect(clippy::panic, reason = "the contract of indexing; foreign input is looked up with get")]
    fn index(&self, key: &K) -> &V {
        self.get(key).unwrap_or_else(|| panic!("no entry for {key:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn pairs(map: &SharedMap<u16, u16>) -> Vec<(u16, u16)> {
        map.iter().map(|(k, v)| (*k, *v)).collect()
    }

    #[test]
    fn ascending_keys_fill_the_chunks() {
        let map: SharedMap<u16, u16> = (0..1000).map(|n| (n, n)).collect();
        assert_eq!(map.chunks.len(), 1000_usize.div_ceil(MOST));
    }

    #[test]
    fn a_copy_with_one_change_shares_all_other_chunks() {
        let before: SharedMap<u16, u16> = (0..1000).map(|n| (n, n)).collect();
        let mut after = before.clone();
        assert!(after.is_same(&before));
        *after.get_mut(&500).unwrap() = 1;
        let shared = before.chunks.iter().zip(&after.chunks).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, before.chunks.len() - 1);
        assert_eq!((before[&500], after[&500]), (500, 1), "the copy before is as it was");
        assert_eq!(after.differences(&before), [Difference { key: &500, before: Some(&500), after: Some(&1) }]);
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_knows_what_differs(
            first in prop::collection::vec((0_u16..600, any::<bool>()), 0..400),
            then in prop::collection::vec((0_u16..600, any::<bool>()), 0..60),
        ) {
            let (mut map, mut model) = (SharedMap::new(), BTreeMap::new());
            let step = |map: &mut SharedMap<u16, u16>, model: &mut BTreeMap<u16, u16>, n, key, put| {
                if put {
                    map.insert(key, n);
                    model.insert(key, n);
                } else {
                    assert_eq!(map.remove(&key), model.remove(&key).is_some());
                }
            };
            for (n, (key, put)) in (0..).zip(first) {
                step(&mut map, &mut model, n, key, put);
            }
            let (before, model_before) = (map.clone(), model.clone());
            for (n, (key, put)) in (10_000..).zip(then) {
                step(&mut map, &mut model, n, key, put);
            }
            prop_assert_eq!(pairs(&map), model.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
            prop_assert_eq!(pairs(&before), model_before.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
            prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            prop_assert!(map.chunks.iter().all(|c| !c.is_empty() && c.len() <= MOST));
            for key in 0..600 {
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            let keys: std::collections::BTreeSet<_> = model.keys().chain(model_before.keys()).collect();
            let expected: Vec<_> = keys
                .into_iter()
                .map(|key| (*key, model_before.get(key), model.get(key)))
                .filter(|(_, before, after)| before != after)
                .collect();
            let found = map.differences(&before);
            let found: Vec<_> = found.into_iter().map(|d| (*d.key, d.before, d.after)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
