//! What one exchange is done with and the next one needs: kept by each worker's thread, so that a request allocates
//! nothing and an idle connection holds nothing.

use std::cell::RefCell;

use bytes::BytesMut;

use super::fields::Inner;

/// Room for what is read at once. A head of a browser with its cookies fits.
pub(crate) const READ: usize = 4096;

/// A buffer that has grown beyond this was needed once and is not kept.
const LARGEST: usize = 16 * 1024;
/// Of each kind so many are kept.
const KEPT: usize = 64;

#[derive(Default)]
struct Spares {
    buffers: Vec<BytesMut>,
    texts: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    fields: Vec<Box<Inner>>,
}

thread_local! {
    static SPARES: RefCell<Spares> =
        const { RefCell::new(Spares { buffers: Vec::new(), texts: Vec::new(), fields: Vec::new() }) };
}

/// An empty buffer to read into, with room for [`READ`] bytes.
pub(crate) fn buffer() -> BytesMut {
    let kept = SPARES.with_borrow_mut(|spares| spares.buffers.pop());
    kept.unwrap_or_else(|| BytesMut::with_capacity(READ))
}

/// Keeps a buffer whose bytes nobody needs any more. One that somebody still holds a part of is let go.
pub(crate) fn keep_buffer(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.capacity() <= LARGEST && buffer.try_reclaim(READ) {
        SPARES.with_borrow_mut(|spares| keep(&mut spares.buffers, buffer));
    }
}

/// An empty vector to write text into.
pub(crate) fn text() -> Vec<u8> {
    SPARES.with_borrow_mut(|spares| spares.texts.pop()).unwrap_or_default()
}

/// Keeps a vector.
pub(crate) fn keep_text(mut text: Vec<u8>) {
    text.clear();
    if text.capacity() != 0 && text.capacity() <= LARGEST {
        SPARES.with_borrow_mut(|spares| keep(&mut spares.texts, text));
    }
}

/// What the fields of a response are in; empty.
pub(super) fn fields() -> Box<Inner> {
    SPARES.with_borrow_mut(|spares| spares.fields.pop()).unwrap_or_default()
}

/// Keeps that; it is empty.
pub(super) fn keep_fields(fields: Box<Inner>) {
    // A thread that ends has no place for it any more.
    let _ended = SPARES.try_with(|spares| keep(&mut spares.borrow_mut().fields, fields));
}

fn keep<T>(kept: &mut Vec<T>, spare: T) {
    if kept.len() < KEPT {
        kept.push(spare);
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_nobody_holds_a_part_of_it() {
        let mut first = buffer();
        first.put_slice(b"head and body");
        let place = first.as_ptr();
        let head = first.split_to(4).freeze();
        first.clear();
        drop(head);
        keep_buffer(first);
        let again = buffer();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, READ));
    }

    #[test]
    fn a_buffer_of_which_somebody_holds_a_part_is_not() {
        while SPARES.with_borrow_mut(|spares| spares.buffers.pop()).is_some() {}
        let mut first = buffer();
        first.put_slice(&[b'x'; 100]);
        let head = first.split_to(50).freeze();
        keep_buffer(first);
        assert!(SPARES.with_borrow(|spares| spares.buffers.is_empty()));
        assert_eq!(&head[..], [b'x'; 50]);
    }

    #[test]
    fn only_so_much_is_kept() {
        for _ in 0..3 * KEPT {
            keep_buffer(BytesMut::with_capacity(READ));
            keep_text(Vec::with_capacity(100));
            keep_fields(Box::default());
        }
        keep_text(Vec::with_capacity(LARGEST + 1));
        keep_text(Vec::new());
        SPARES.with_borrow(|spares| {
            assert_eq!((spares.buffers.len(), spares.texts.len(), spares.fields.len()), (KEPT, KEPT, KEPT));
        });
    }
}
