//! Messages in pieces that a link carries.
//!
//! The first byte of a piece says whether it is the first and the last of its message; a part of the message's encoding
//! follows.

use bytes::{BufMut, Bytes, BytesMut};
use rekindle_protocol::encoding::Canonical;

use super::message::{MAX_MESSAGE_BYTES, Message};

/// Most bytes of a message's encoding in one piece.
const PIECE_BYTES: usize = 1 << 20;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbage;

/// The pieces of a message, in order.
pub fn cut(message: &Message) -> Vec<Bytes> {
    cut_bytes(&message.to_bytes(), PIECE_BYTES)
}

fn cut_bytes(bytes: &[u8], size: usize) -> Vec<Bytes> {
    let count = bytes.len().div_ceil(size);
    let piece = |(number, chunk): (usize, &[u8])| {
        let first = if number == 0 { FIRST } else { 0 };
        let last = if number + 1 == count { LAST } else { 0 };
        let mut piece = BytesMut::with_capacity(1 + chunk.len());
        piece.put_u8(first | last);
        piece.put_slice(chunk);
        piece.freeze()
    };
    bytes.chunks(size).enumerate().map(piece).collect()
}

/// A participant's message as far as its pieces have come, if its first has.
#[derive(Debug, Default)]
pub struct Assembly(Option<Vec<u8>>);

impl Assembly {
    /// Adds a piece. Returns the message if it was its last. A message whose end does not come, or whose beginning did
    /// not, was sent in an earlier run of either side and is left out.
    ///
    /// # Errors
    /// [`Garbage`] if that is no message, or longer than any.
    pub fn add(&mut self, piece: &[u8]) -> Result<Option<Message>, Garbage> {
        let (kind, part) = piece.split_first().ok_or(Garbage)?;
        if *kind > FIRST | LAST {
            return Err(Garbage);
        }
        if kind & FIRST != 0 {
            self.0 = Some(Vec::new());
        }
        let Some(bytes) = &mut self.0 else { return Ok(None) };
        if bytes.len() + part.len() > MAX_MESSAGE_BYTES {
            return Err(Garbage);
        }
        bytes.extend_from_slice(part);
        if kind & LAST == 0 {
            return Ok(None);
        }
        let bytes = self.0.take().unwrap_or_default();
        Message::from_bytes(&bytes).map(Some).map_err(|_| Garbage)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_come_out_whole(reasons in proptest::collection::vec("[a-z]{0,100}", 1..4), size in 1usize..40) {
            let mut assembly = Assembly::default();
            for reason in reasons {
                let message = Message::give_up(&reason);
                let pieces = cut_bytes(&message.to_bytes(), size);
                let (last, first) = pieces.split_last().unwrap();
                for piece in first {
                    prop_assert!(piece.len() <= size + 1);
                    prop_assert_eq!(assembly.add(piece), Ok(None));
                }
                prop_assert_eq!(assembly.add(last), Ok(Some(message)));
            }
        }
    }

    #[test]
    fn what_is_left_of_an_earlier_run_is_left_out() {
        let (old, new) = (Message::give_up("old and long"), Message::give_up("new"));
        let old = cut_bytes(&old.to_bytes(), 5);
        let mut assembly = Assembly::default();
        for piece in old[1..].iter().chain(&old[..2]) {
            assert_eq!(assembly.add(piece), Ok(None));
        }
        assert_eq!(assembly.add(&cut(&new)[0]), Ok(Some(new)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for piece in [vec![], vec![4, 0], vec![FIRST | LAST, 99]] {
            assert_eq!(Assembly::default().add(&piece), Err(Garbage));
        }
        let mut endless = Assembly::default();
        let mut piece = vec![0; PIECE_BYTES + 1];
        piece[0] = FIRST;
        assert_eq!(endless.add(&piece), Ok(None));
        piece[0] = 0;
        let more = (0..).take_while(|_| endless.add(&piece).is_ok()).count();
        assert_eq!(more + 1, MAX_MESSAGE_BYTES / PIECE_BYTES);
    }
}
