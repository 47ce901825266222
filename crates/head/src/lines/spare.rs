//! What one request is done with and the next one needs, kept by each thread.

use std::cell::{OnceCell, RefCell};

use http::HeaderMap;

use super::Inner;

/// Maps beyond this are not kept: clearing one costs its size.
const MOST_FIELDS: usize = 128;
/// Of each kind so many are kept.
const KEPT: usize = 64;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    static SPARES: RefCell<(Vec<Box<Inner>>, Vec<HeaderMap>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// With neither lines nor a map.
pub(super) fn take() -> Box<Inner> {
    SPARES.with_borrow_mut(|(boxes, _)| boxes.pop()).unwrap_or_default()
}

/// An empty map, as a rule with room for the fields of a head.
pub fn map() -> HeaderMap {
    SPARES.with_borrow_mut(|(_, maps)| maps.pop()).unwrap_or_default()
}

/// Keeps a box, and the map in it. Nobody needs what they hold.
pub(super) fn keep(mut inner: Box<Inner>) {
    inner.lines = None;
    let map = std::mem::replace(&mut inner.map, OnceCell::new()).into_inner();
    if let Some(map) = map {
        keep_map(map);
    }
    // A thread that ends has no place for it any more.
    let _ended = SPARES.try_with(|spares| {
        let (boxes, _) = &mut *spares.borrow_mut();
        if boxes.len() < KEPT {
            boxes.push(inner);
        }
    });
}

/// Keeps a map.
pub fn keep_map(mut map: HeaderMap) {
    if map.capacity() == 0 || map.capacity() > MOST_FIELDS {
        return;
    }
    map.clear();
    let _ended = SPARES.try_with(|spares| {
        let (_, maps) = &mut *spares.borrow_mut();
        if maps.len() < KEPT {
            maps.push(map);
        }
    });
}
