//! What has been read of a body, in the order in which it came.

use bytes::{Bytes, BytesMut};

/// Pieces below this size are copied: each would keep a buffer that is many times larger.
const SMALL: usize = 2048;

/// A body from its beginning.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pieces: Vec<Kept>,
    len: usize,
}

#[derive(Debug)]
enum Kept {
    /// A part of the buffer that it was read into, which it keeps: only worth it if it is a good part of it.
    Read(Bytes),
    /// Copies of small pieces, one behind the other.
    Copied(Vec<u8>),
}

impl Memory {
    /// How much there is.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a piece, which is not empty.
    pub(super) fn add(&mut self, data: &Bytes) {
        self.len += data.len();
        match self.pieces.last_mut() {
            _ if data.len() >= SMALL => self.pieces.push(Kept::Read(data.clone())),
            Some(Kept::Copied(copied)) => copied.extend_from_slice(data),
            _ => self.pieces.push(Kept::Copied(data.to_vec())),
        }
    }

    /// The rest, from this byte on, of the piece that it is in.
    pub(super) fn from(&self, mut at: usize) -> Option<Bytes> {
        for piece in &self.pieces {
            let len = piece.bytes().len();
            if at < len {
                return Some(match piece {
                    Kept::Read(data) => data.slice(at..),
                    Kept::Copied(copied) => Bytes::copy_from_slice(copied.get(at..).unwrap_or_default()),
                });
            }
            at -= len;
        }
        None
    }

    /// All of it in one.
    pub(super) fn into_whole(mut self) -> Bytes {
        match self.pieces.pop() {
            Some(Kept::Read(data)) if self.pieces.is_empty() => data,
            Some(Kept::Copied(copied)) if self.pieces.is_empty() => copied.into(),
            last => {
                let mut whole = BytesMut::with_capacity(self.len);
                self.pieces.iter().chain(&last).for_each(|piece| whole.extend_from_slice(piece.bytes()));
                whole.freeze()
            }
        }
    }
}

impl Kept {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Read(data) => data,
            Self::Copied(copied) => copied,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_is_remembered_byte_for_byte(sizes in proptest::collection::vec(1..3 * SMALL, 0..12), at in 0..40_000usize) {
            let (mut memory, mut whole) = (Memory::default(), Vec::new());
            for (number, size) in sizes.into_iter().enumerate() {
                let data = vec![number as u8; size];
                memory.add(&Bytes::copy_from_slice(&data));
                whole.extend_from_slice(&data);
            }
            prop_assert_eq!(memory.len(), whole.len());
            let mut at = at.min(whole.len());
            while let Some(rest) = memory.from(at) {
                prop_assert!(!rest.is_empty());
                prop_assert_eq!(Some(&rest[..]), whole.get(at..at + rest.len()));
                at += rest.len();
            }
            prop_assert_eq!(at, whole.len());
            prop_assert_eq!(memory.into_whole(), whole);
        }
    }

    #[test]
    fn small_pieces_keep_no_buffer() {
        let buffer = Bytes::from(vec![0; 16 * 1024]);
        let mut memory = Memory::default();
        for at in 0..100 {
            memory.add(&buffer.slice(at..at + 1));
        }
        assert_eq!((memory.pieces.len(), memory.len()), (1, 100));
        assert!(buffer.is_unique());
    }
}
