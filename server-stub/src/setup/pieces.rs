//! Messages in pieces that a link carries.
//!
//! The first byte of a piece says whether it is the last of its message; the message's encoding follows.

use bytes::{BufMut, Bytes, BytesMut};
use rekindle_protocol::encoding::Canonical;

use super::message::{MAX_MESSAGE_BYTES, Message};

/// Most bytes of a message's encoding in one piece.
const PIECE_BYTES: usize = 1 << 20;

const MORE: u8 = 0;
const LAST: u8 = 1;

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbage;

/// The pieces of a message, in order.
pub fn cut(message: &Message) -> Vec<Bytes> {
    cut_bytes(&message.to_bytes(), PIECE_BYTES)
}

fn cut_bytes(bytes: &[u8], size: usize) -> Vec<Bytes> {
    let mut chunks = bytes.chunks(size).peekable();
    let mut pieces = Vec::new();
    while let Some(chunk) = chunks.next() {
        let mut piece = BytesMut::with_capacity(1 + chunk.len());
        piece.put_u8(if chunks.peek().is_some() { MORE } else { LAST });
        piece.put_slice(chunk);
        pieces.push(piece.freeze());
    }
    pieces
}

/// A participant's message as far as its pieces have come.
#[derive(Debug, Default)]
pub struct Assembly(Vec<u8>);

impl Assembly {
    /// Adds a piece. Returns the message if it was its last.
    ///
    /// # Errors
    /// [`Garbage`] if that is no message, or longer than any.
    pub fn add(&mut self, piece: &[u8]) -> Result<Option<Message>, Garbage> {
        let (kind, bytes) = piece.split_first().ok_or(Garbage)?;
        if self.0.len() + bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Garbage);
        }
        self.0.extend_from_slice(bytes);
        match *kind {
            MORE => Ok(None),
            LAST => Message::from_bytes(&std::mem::take(&mut self.0)).map(Some).map_err(|_| Garbage),
            _ => Err(Garbage),
        }
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
    fn what_is_no_message_is_refused() {
        for piece in [vec![], vec![2, 0], vec![LAST, 99]] {
            assert_eq!(Assembly::default().add(&piece), Err(Garbage));
        }
        let mut endless = Assembly::default();
        let piece = vec![MORE; PIECE_BYTES + 1];
        let accepted = (0..).take_while(|_| endless.add(&piece).is_ok()).count();
        assert_eq!(accepted, MAX_MESSAGE_BYTES / PIECE_BYTES);
    }
}
