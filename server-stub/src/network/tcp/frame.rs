//! What travels on a connection: length-prefixed frames.
//!
//! A frame is 4 bytes of length, little endian, 1 byte for its kind, and its body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rekindle_protocol::{
    bytes::{FederationId, Hash},
    config::UrlAnnouncement,
    encoding::{Canonical, Decode, Encode},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::network::MAX_PEER_MESSAGE_BYTES;

/// The version of everything in this folder. Guardians of different versions do not talk.
pub const PROTOCOL_VERSION: u16 = 1;

/// Most bytes of a frame after its length.
const MAX_FRAME_BYTES: usize = MAX_PEER_MESSAGE_BYTES + 64;
/// What is reserved for a frame before its bytes have arrived.
const RESERVED_BYTES: usize = 64 << 10;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first frame in each direction.
    Hello(Hello),
    /// A message of the link.
    Message {
        /// Its number.
        number: u64,
        /// What it says.
        bytes: Bytes,
    },
    /// All messages up to this number are written down.
    Acknowledge {
        /// The number.
        last: u64,
    },
    /// To be answered at once.
    Ping(u64),
    /// The answer, with the same number.
    Pong(u64),
    /// Where a guardian is reached, as it has signed.
    Announcement(UrlAnnouncement),
}

/// What a guardian says of itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender. First for ever, so that other versions can be told.
    pub protocol: u16,
    /// The federation that it means.
    pub federation: FederationId,
    /// Hash of everything that guardians must agree on before they talk.
    pub config: Hash,
    /// A random number for each run of the sender, since its messages are numbered anew in each.
    pub run: u64,
    /// How far the sender has received what the other side sent it.
    pub received: Option<Received>,
}

/// How far messages of a run have been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Received {
    /// The run of their sender.
    pub run: u64,
    /// The number of the next one.
    pub next: u64,
}

/// What a correct guardian never sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than any frame.
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    /// A kind that does not exist, or a body that does not decode.
    #[error("a frame that does not decode")]
    Malformed,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection failed or ended.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The other side is no correct guardian.
    #[error("{error}")]
    Frame {
        /// What is wrong.
        error: FrameError,
        /// The bytes that show it: the frame as far as it was read.
        evidence: Bytes,
    },
}

const HELLO: u8 = 0;
const MESSAGE: u8 = 1;
const ACKNOWLEDGE: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;
const ANNOUNCEMENT: u8 = 5;

impl Frame {
    /// Appends the frame to what is about to be written.
    pub fn encode(&self, out: &mut BytesMut) {
        let numbered = |out: &mut BytesMut, kind: u8, number: u64, rest: &[u8]| {
            // No message is longer than a fraction of 2^32.
            out.put_u32_le(u32::try_from(1 + 8 + rest.len()).unwrap_or(u32::MAX));
            out.put_u8(kind);
            out.put_u64_le(number);
            out.put_slice(rest);
        };
        let whole = |out: &mut BytesMut, kind: u8, body: &[u8]| {
            out.put_u32_le(u32::try_from(1 + body.len()).unwrap_or(u32::MAX));
            out.put_u8(kind);
            out.put_slice(body);
        };
        match self {
            Self::Hello(hello) => whole(out, HELLO, &hello.to_bytes()),
            Self::Announcement(announcement) => whole(out, ANNOUNCEMENT, &announcement.to_bytes()),
            Self::Message { number, bytes } => numbered(out, MESSAGE, *number, bytes),
            Self::Acknowledge { last } => numbered(out, ACKNOWLEDGE, *last, &[]),
            Self::Ping(nonce) => numbered(out, PING, *nonce, &[]),
            Self::Pong(nonce) => numbered(out, PONG, *nonce, &[]),
        }
    }

    /// Reads a frame without its length.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    pub fn decode(mut frame: Bytes) -> Result<Self, FrameError> {
        if frame.is_empty() {
            return Err(FrameError::Malformed);
        }
        let kind = frame.get_u8();
        if kind == HELLO {
            return Hello::read(&frame).map(Self::Hello);
        }
        if kind == ANNOUNCEMENT {
            let announcement = UrlAnnouncement::from_bytes(&frame).map_err(|_| FrameError::Malformed)?;
            return Ok(Self::Announcement(announcement));
        }
        if frame.len() < 8 || (kind != MESSAGE && frame.len() > 8) {
            return Err(FrameError::Malformed);
        }
        let number = frame.get_u64_le();
        match kind {
            MESSAGE => Ok(Self::Message { number, bytes: frame }),
            ACKNOWLEDGE => Ok(Self::Acknowledge { last: number }),
            PING => Ok(Self::Ping(number)),
            PONG => Ok(Self::Pong(number)),
            _ => Err(FrameError::Malformed),
        }
    }

    /// Reads the next frame of a connection. What it allocates grows only as bytes arrive.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Self, ReadError> {
        let length = reader.read_u32_le().await? as usize;
        let refuse = |error, evidence| ReadError::Frame { error, evidence };
        if length > MAX_FRAME_BYTES {
            let claimed = Bytes::copy_from_slice(&(length as u32).to_le_bytes());
            return Err(refuse(FrameError::TooLong(length), claimed));
        }
        let mut frame = BytesMut::with_capacity(length.min(RESERVED_BYTES));
        while frame.len() < length {
            let mut rest = (&mut *reader).take((length - frame.len()) as u64);
            if rest.read_buf(&mut frame).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
        let frame = frame.freeze();
        Self::decode(frame.clone()).map_err(|error| refuse(error, frame))
    }
}

impl Hello {
    /// Reads a hello; of one of another version only the version.
    fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let (version, _) = bytes.split_first_chunk().ok_or(FrameError::Malformed)?;
        let protocol = u16::from_le_bytes(*version);
        if protocol != PROTOCOL_VERSION {
            let (federation, config) = (FederationId([0; 32]), Hash([0; 32]));
            return Ok(Self { protocol, federation, config, run: 0, received: None });
        }
        Self::from_bytes(bytes).map_err(|_| FrameError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};
    use rekindle_protocol::bytes::SchnorrSignature;

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let received = (any::<u64>(), any::<u64>()).prop_map(|(run, next)| Received { run, next });
        let hello = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<u64>(), option::of(received)).prop_map(
            |(federation, config, run, received)| {
                let (federation, config) = (FederationId(federation), Hash(config));
                Frame::Hello(Hello { protocol: PROTOCOL_VERSION, federation, config, run, received })
            },
        );
        let message = (any::<u64>(), vec(any::<u8>(), 0..300))
            .prop_map(|(number, bytes)| Frame::Message { number, bytes: bytes.into() });
        prop_oneof![
            hello,
            message,
            any::<u64>().prop_map(|last| Frame::Acknowledge { last }),
            any::<u64>().prop_map(Frame::Ping),
            any::<u64>().prop_map(Frame::Pong),
            (any::<u16>(), any::<u64>(), "[a-z:/.]{0,40}").prop_map(|(guardian, number, url)| {
                let signature = SchnorrSignature([1; 64]);
                Frame::Announcement(UrlAnnouncement { guardian, number, url, signature })
            }),
        ]
    }

    async fn read_all(mut bytes: &[u8]) -> (Vec<Frame>, ReadError) {
        let mut frames = Vec::new();
        loop {
            match Frame::read(&mut bytes).await {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, error),
            }
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn frames_round_trip_one_after_the_other(frames in vec(any_frame(), 0..8)) {
            let mut bytes = BytesMut::new();
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            let (read, end) = block_on(read_all(&bytes));
            prop_assert_eq!(read, frames);
            prop_assert!(matches!(end, ReadError::Io(_)));
        }

        #[test]
        fn what_decodes_is_canonical(bytes in vec(any::<u8>(), 0..100)) {
            if let Ok(frame) = Frame::decode(Bytes::from(bytes.clone())) {
                let mut again = BytesMut::new();
                frame.encode(&mut again);
                let foreign = matches!(frame, Frame::Hello(hello) if hello.protocol != PROTOCOL_VERSION);
                prop_assert!(foreign || again[4..] == bytes);
            }
        }
    }

    #[test]
    fn a_claimed_length_is_refused_before_it_is_read() {
        let too_long = u32::try_from(MAX_FRAME_BYTES + 1).unwrap();
        let (_, error) = block_on(read_all(&too_long.to_le_bytes()));
        assert!(matches!(error, ReadError::Frame { error: FrameError::TooLong(_), .. }));
        let (_, error) = block_on(read_all(&[2, 0, 0, 0, PING, 7]));
        let evidence = Bytes::from_static(&[PING, 7]);
        assert!(matches!(&error, ReadError::Frame { evidence: found, .. } if *found == evidence), "{error}");
    }

    #[test]
    fn another_version_is_told_whatever_follows_it() {
        let Ok(Frame::Hello(hello)) = Frame::decode(Bytes::from_static(&[HELLO, 9, 0, 1, 2, 3])) else {
            panic!("the version must be readable")
        };
        assert_eq!(hello.protocol, 9);
    }
}
