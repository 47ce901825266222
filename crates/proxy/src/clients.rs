//! The client connections of one worker, for those who look after all of them.

use std::cell::RefCell;
use std::rc::Rc;

use seaway_routing::Millis;

use crate::client_io::ClientState;

/// How many are looked at in one go: some hundred microseconds, even where none of them is in a cache.
const CHUNK: usize = 1024;

/// Client connections by number. The place of one that is gone goes to the next.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    places: RefCell<Vec<Option<Rc<ClientState>>>>,
    vacant: RefCell<Vec<usize>>,
}

impl Clients {
    /// Adds one; its number until it is removed.
    pub(crate) fn add(&self, client: &Rc<ClientState>) -> usize {
        let mut places = self.places.borrow_mut();
        match self.vacant.borrow_mut().pop() {
            Some(number) if number < places.len() => {
                if let Some(place) = places.get_mut(number) {
                    *place = Some(Rc::clone(client));
                }
                number
            }
            _ => {
                places.push(Some(Rc::clone(client)));
                places.len() - 1
            }
        }
    }

    pub(crate) fn remove(&self, number: usize) {
        if let Some(place) = self.places.borrow_mut().get_mut(number)
            && place.take().is_some()
        {
            self.vacant.borrow_mut().push(number);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.borrow().len() - self.vacant.borrow().len()
    }

    /// Looks at the limits of some, from number `from` on; where to go on, if there are more.
    pub(crate) fn sweep(&self, from: usize, now: Millis) -> Option<usize> {
        let places = self.places.borrow();
        for client in places.iter().skip(from).take(CHUNK).flatten() {
            client.sweep(now);
        }
        (from + CHUNK < places.len()).then_some(from + CHUNK)
    }

    /// Lets all of them end.
    pub(crate) fn drain(&self, now: Millis) {
        for client in self.places.borrow().iter().flatten() {
            client.drain(now);
        }
    }

    /// Lets those end that have been unused for longest: one of each 64, so that not every new connection has to look at
    /// all of them. Returns how many were told now, and whether anybody is leaving at all.
    pub(crate) fn make_room(&self, now: Millis) -> (usize, bool) {
        let places = self.places.borrow();
        let leaving = places.iter().flatten().filter(|c| c.is_leaving()).count();
        let wanted = (self.len() / 64).max(1).saturating_sub(leaving);
        if wanted == 0 {
            return (0, true);
        }
        let since =
            |(number, client): (usize, &Option<Rc<ClientState>>)| Some((client.as_ref()?.unused_since(now)?, number));
        let mut unused: Vec<(Millis, usize)> = places.iter().enumerate().filter_map(since).collect();
        if unused.len() > wanted {
            unused.select_nth_unstable(wanted);
            unused.truncate(wanted);
        }
        for (_, number) in &unused {
            if let Some(client) = places.get(*number).and_then(Option::as_ref) {
                client.leave();
            }
        }
        (unused.len(), leaving + unused.len() > 0)
    }
}
