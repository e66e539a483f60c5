//! One connection to a peer, from hello to its end.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::{Instant, sleep_until, timeout},
};

use super::{
    frame::{Frame, PROTOCOL_VERSION, ReadError},
    links::{Generation, Refused},
    shared::Shared,
};
use crate::{announcements::Unacceptable, consensus::GuardianId};

/// How long a peer may take for each step of setting up a connection.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often a peer is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(5);
/// A peer that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The network failed.
    #[error("{0}")]
    Io(std::io::Error),
    /// The peer ended it.
    #[error("it closed the connection")]
    Closed,
    /// The peer says nothing.
    #[error("it does not answer")]
    Silent,
    /// The peer speaks another version.
    #[error("it speaks version {0} of the guardians' protocol, this software version {PROTOCOL_VERSION}")]
    Version(u16),
    /// The peer means another federation or config.
    #[error("it has another config than this guardian")]
    OtherConfig,
    /// A newer connection has taken its place.
    #[error("replaced by a newer connection")]
    Replaced,
    /// The peer is banned.
    #[error("it is banned")]
    Banned,
    /// The peer is no correct guardian.
    #[error("it sent {reason}")]
    Misbehaved {
        /// What it sent.
        reason: String,
        /// The bytes.
        evidence: Bytes,
    },
}

impl From<std::io::Error> for ConnectionError {
    fn from(error: std::io::Error) -> Self {
        // A process that is killed does not take leave.
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::Closed } else { Self::Io(error) }
    }
}

impl From<ReadError> for ConnectionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error.into(),
            ReadError::Frame { error, evidence } => Self::Misbehaved { reason: error.to_string(), evidence },
        }
    }
}

/// Runs a connection to `peer`, whose certificate has been checked, until it ends; bans who misbehaves.
///
/// Returns for how long it was up, if it was, and why it ended.
pub async fn run<S: AsyncRead + AsyncWrite>(
    shared: &Shared,
    peer: GuardianId,
    stream: S,
) -> (Option<Duration>, ConnectionError) {
    let Some((generation, hello)) = shared.begin(peer) else { return (None, ConnectionError::Banned) };
    let connection = Connection { shared, peer, generation, life: Mutex::default() };
    let (reader, writer) = split(stream);
    let mut newest = shared.newest[usize::from(peer)].subscribe();
    let mut up = None;
    let end = tokio::select! {
        end = connection.live(reader, writer, Frame::Hello(hello), &mut up) => end,
        // The sender lives as long as `shared`.
        _ = newest.wait_for(|newest| *newest != generation) => ConnectionError::Replaced,
    };
    // Whatever it ended with: what counts now is the connection that took its place.
    let end = if shared.links().is_current(peer, generation) { end } else { ConnectionError::Replaced };
    if let ConnectionError::Misbehaved { reason, evidence } = &end {
        shared.ban(peer, reason, evidence);
    }
    (up.map(|since: Instant| since.elapsed()), end)
}

/// The end of a connection on which a frame came that decodes but has no place there.
fn misbehaved(reason: &str, frame: &Frame) -> ConnectionError {
    let mut evidence = BytesMut::new();
    frame.encode(&mut evidence);
    ConnectionError::Misbehaved { reason: reason.into(), evidence: evidence.freeze() }
}

struct Connection<'a> {
    shared: &'a Shared,
    peer: GuardianId,
    generation: Generation,
    life: Mutex<SignsOfLife>,
}

/// What pings and pongs are about to be sent and expected.
#[derive(Default)]
struct SignsOfLife {
    /// The number of the last ping, and when it was sent.
    asked: Option<(u64, Instant)>,
    /// The number of the peer's last ping, until it is answered.
    owed: Option<u64>,
}

impl Connection<'_> {
    async fn live<S: AsyncRead + AsyncWrite>(
        &self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
        hello: Frame,
        up: &mut Option<Instant>,
    ) -> ConnectionError {
        let greeting = async {
            let hello = [hello];
            let (sent, answer) = tokio::join!(write(&mut writer, &hello), Frame::read(&mut reader));
            sent?;
            Ok::<_, ConnectionError>(answer?)
        };
        match timeout(PATIENCE, greeting).await {
            Ok(Ok(frame)) => {
                if let Err(error) = self.greet(frame) {
                    return error;
                }
            }
            Ok(Err(error)) => return error,
            Err(_) => return ConnectionError::Silent,
        }
        *up = Some(Instant::now());
        self.shared.connected(self.peer);
        // Messages may flow now on other links too.
        self.shared.node.notify_one();
        self.shared.to_send.iter().for_each(tokio::sync::Notify::notify_one);
        tokio::select! {
            error = self.receive(&mut reader) => error,
            error = self.send(&mut writer) => error,
        }
    }

    fn greet(&self, frame: Frame) -> Result<(), ConnectionError> {
        let Frame::Hello(hello) = frame else {
            return Err(misbehaved("something else than a hello first", &frame));
        };
        if hello.protocol != PROTOCOL_VERSION {
            return Err(ConnectionError::Version(hello.protocol));
        }
        if !self.shared.agrees(&hello) {
            self.shared.change(self.peer, |status| status.agrees = Some(false));
            return Err(ConnectionError::OtherConfig);
        }
        if self.shared.links().greet(self.peer, self.generation, hello.run, hello.received) {
            Ok(())
        } else {
            Err(ConnectionError::Replaced)
        }
    }

    async fn receive<S: AsyncRead>(&self, reader: &mut ReadHalf<S>) -> ConnectionError {
        let room = &self.shared.room[usize::from(self.peer)];
        loop {
            while !self.shared.links().has_room(self.peer) {
                room.notified().await;
            }
            let frame = match timeout(SILENCE, Frame::read(reader)).await {
                Err(_) => return ConnectionError::Silent,
                Ok(Err(error)) => return error.into(),
                Ok(Ok(frame)) => frame,
            };
            match frame {
                Frame::Message { number, bytes } => {
                    let evidence = bytes.clone();
                    match self.shared.links().receive(self.peer, self.generation, number, bytes) {
                        Ok(()) => {}
                        Err(Refused::Replaced) => return ConnectionError::Replaced,
                        Err(Refused::Number) => {
                            let reason = format!("message {number} out of its order");
                            return ConnectionError::Misbehaved { reason, evidence };
                        }
                    }
                    self.shared.node.notify_one();
                }
                Frame::Acknowledge { last } => {
                    self.shared.links().acknowledged(self.peer, self.generation, last);
                    self.shared.settling.notify_one();
                }
                Frame::Ping(nonce) => {
                    // Of several pings that wait only the last is answered.
                    self.life().owed = Some(nonce);
                    self.shared.to_send[usize::from(self.peer)].notify_one();
                }
                Frame::Pong(nonce) => {
                    let asked = self.life().asked.filter(|(asked, _)| *asked == nonce);
                    if let Some((_, at)) = asked {
                        self.shared.change(self.peer, |status| status.round_trip = Some(at.elapsed()));
                    }
                }
                Frame::Announcement(announcement) => {
                    let frame = Frame::Announcement(announcement.clone());
                    match self.shared.announcements.take(announcement) {
                        // What is no URL to this version may be one to another.
                        Ok(_) | Err(Unacceptable::NotAUrl) => {}
                        Err(Unacceptable::NotSigned) => {
                            return misbehaved("an announcement that is not its guardian's", &frame);
                        }
                    }
                }
                frame @ Frame::Hello(_) => return misbehaved("a second hello", &frame),
            }
        }
    }

    async fn send<S: AsyncWrite>(&self, writer: &mut WriteHalf<S>) -> ConnectionError {
        let something = &self.shared.to_send[usize::from(self.peer)];
        let mut next_ping = Instant::now();
        let mut announcements = self.shared.announcements.watch();
        announcements.mark_changed();
        let mut told = Vec::new();
        loop {
            let mut frames = self.shared.links().outgoing(self.peer, self.generation);
            // The sender lives as long as `shared`.
            if announcements.has_changed().unwrap_or(false) {
                let known = announcements.borrow_and_update().clone();
                let news = known.iter().filter(|announcement| !told.contains(*announcement));
                frames.extend(news.cloned().map(Frame::Announcement));
                told = known;
            }
            let now = Instant::now();
            {
                let mut life = self.life();
                frames.extend(life.owed.take().map(Frame::Pong));
                if now >= next_ping {
                    next_ping = now + PING_EVERY;
                    let nonce = life.asked.map_or(0, |(nonce, _)| nonce + 1);
                    life.asked = Some((nonce, now));
                    frames.push(Frame::Ping(nonce));
                }
            }
            if frames.is_empty() {
                tokio::select! {
                    () = something.notified() => {}
                    _ = announcements.changed() => announcements.mark_changed(),
                    () = sleep_until(next_ping) => {}
                }
            } else if let Err(error) = write(writer, &frames).await {
                return error.into();
            } else {
                self.shared.settling.notify_one();
            }
        }
    }

    fn life(&self) -> MutexGuard<'_, SignsOfLife> {
        // Nothing that holds the lock panics.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write<S: AsyncWrite>(writer: &mut WriteHalf<S>, frames: &[Frame]) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    writer.write_all(&bytes).await?;
    writer.flush().await
}
