//! What came of the last question to a server's port, for as long as it does not accept.

use std::sync::atomic::{AtomicU8, Ordering};

use super::ServerState;

/// Why a port does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The machine is there, and nothing listens.
    Refused,
    /// Nothing came back.
    Quiet,
    /// There is no way to the address.
    NoWay,
    /// The name has no address.
    NoName,
}

/// The last one, as a number; 0 for none.
#[derive(Debug, Default)]
pub(crate) struct LastSilence(AtomicU8);

impl Silence {
    const ALL: [Self; 4] = [Self::Refused, Self::Quiet, Self::NoWay, Self::NoName];

    /// The word that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Quiet => "no answer",
            Self::NoWay => "no route",
            Self::NoName => "no such name",
        }
    }
}

impl ServerState {
    /// Why its port did not accept when it was last asked; `None` if it did, or was not asked yet.
    pub fn silence(&self) -> Option<Silence> {
        let number = self.silence.0.load(Ordering::Relaxed);
        Silence::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its port was asked.
    pub fn asked(&self, silence: Option<Silence>) {
        let place = Silence::ALL.iter().position(|known| Some(*known) == silence);
        let number = place.map_or(0, |place| u8::try_from(place + 1).unwrap_or(0));
        self.silence.0.store(number, Ordering::Relaxed);
    }
}
