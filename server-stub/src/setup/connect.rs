//! Connecting to all other participants.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rekindle_protocol::encoding::Canonical;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::debug;

use super::{
    Participants, SetupError,
    exchange::{Event, Wire},
    message::{MAX_MESSAGE_BYTES, Message, VERSION},
};
use crate::{
    consensus::GuardianId,
    network::tcp::{self, Fingerprint, TlsIdentity},
};

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long to wait between attempts: the others' operators begin within minutes of each other.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of the connections may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Most handshakes with strangers at the same time.
const MAX_HANDSHAKES: usize = 64;
/// Messages that wait to be sent to, or handled from, one participant.
const QUEUE: usize = 4;
/// What is reserved for a message before its bytes have arrived.
const RESERVED_BYTES: usize = 64 << 10;

/// A connection that has come about.
struct Connected {
    peer: GuardianId,
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

/// What attempts tell while they go on.
enum News {
    Connected(Connected),
    /// An attempt failed; there will be another.
    Failed(GuardianId, String),
    /// No attempt can succeed.
    Hopeless(SetupError),
}

/// The connections to all other participants, with the tasks that move their messages. Dropping it ends them.
pub struct Connections {
    readers: JoinSet<()>,
    writers: JoinSet<()>,
}

impl Connections {
    /// Connects to all others: dials those with higher numbers, accepts those with lower ones.
    ///
    /// # Errors
    /// [`SetupError`] names who did not come until `deadline`, or was given other participants.
    pub async fn open(
        participants: &Participants,
        tls: &TlsIdentity,
        listener: TcpListener,
        deadline: Instant,
    ) -> Result<(Self, Wire), SetupError> {
        let hello = Message::Hello { version: VERSION, ceremony: participants.ceremony() };
        let greeting = Arc::new(Greeting { participants: participants.clone(), hello });
        let (news, mut heard) = mpsc::channel(QUEUE);
        let mut attempts = JoinSet::new();
        let own = participants.own();
        for peer in participants.others().filter(|peer| *peer > own) {
            let info = participants.info(peer);
            let connector = TlsConnector::from(tls.client(info.certificate)?);
            attempts.spawn(dial(peer, info.address.clone(), connector, greeting.clone(), news.clone()));
        }
        let lower: Vec<Fingerprint> =
            participants.infos().iter().take(usize::from(own)).map(|info| info.certificate).collect();
        let acceptor = TlsAcceptor::from(tls.server(lower.clone())?);
        attempts.spawn(accept(listener, acceptor, lower, greeting, news));

        let mut connected: BTreeMap<GuardianId, Connected> = BTreeMap::new();
        let mut failures: BTreeMap<GuardianId, String> = BTreeMap::new();
        while connected.len() < participants.others().count() {
            match timeout_at(deadline, heard.recv()).await {
                Ok(Some(News::Connected(connection))) => {
                    tracing::info!("{} is connected", participants.who(connection.peer));
                    // Whoever connects again has given up the connection before.
                    connected.insert(connection.peer, connection);
                }
                Ok(Some(News::Failed(peer, why))) => {
                    failures.insert(peer, why);
                }
                Ok(Some(News::Hopeless(error))) => return Err(error),
                Ok(None) | Err(_) => {
                    let missing = participants.others().filter(|peer| !connected.contains_key(peer));
                    let missing = missing.map(|peer| (participants.who(peer), failures.remove(&peer)));
                    return Err(SetupError::NotConnected(missing.collect()));
                }
            }
        }
        drop(attempts);
        Ok(Self::start(connected))
    }

    fn start(connected: BTreeMap<GuardianId, Connected>) -> (Self, Wire) {
        let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
        let (events, incoming) = mpsc::channel(QUEUE);
        let mut outgoing = BTreeMap::new();
        for (peer, Connected { mut reader, mut writer, .. }) in connected {
            let (sender, mut messages) = mpsc::channel(QUEUE);
            outgoing.insert(peer, sender);
            let events = events.clone();
            readers.spawn(async move {
                loop {
                    let event = match read(&mut reader).await {
                        Ok(message) => Event::Message(message),
                        Err(ReadError::Garbage) => Event::Garbage,
                        Err(ReadError::Io(error)) => Event::Closed(error),
                    };
                    let last = !matches!(event, Event::Message(_));
                    if events.send((peer, event)).await.is_err() || last {
                        return;
                    }
                }
            });
            writers.spawn(async move {
                while let Some(message) = messages.recv().await {
                    if write(&mut writer, &message).await.is_err() {
                        return;
                    }
                }
                // Whether the other side hears the farewell changes nothing.
                let _ = writer.shutdown().await;
            });
        }
        (Self { readers, writers }, Wire { outgoing, incoming })
    }

    /// Ends all connections so that the others get what was sent to them: sends it, and reads until they end too, for
    /// what is left unread when a connection closes takes with it what the other side has not read yet.
    pub async fn close(mut self, wire: Wire) {
        let Wire { outgoing, mut incoming } = wire;
        drop(outgoing);
        let ended = async {
            while self.writers.join_next().await.is_some() {}
            while incoming.recv().await.is_some() {}
            while self.readers.join_next().await.is_some() {}
        };
        // Who does not end by then has had its time.
        let _ = timeout(FAREWELL, ended).await;
    }
}

/// What begins every connection.
struct Greeting {
    participants: Participants,
    hello: Message,
}

impl Greeting {
    /// Says hello on a connection to a participant whose certificate has been checked, and hears its.
    async fn exchange<S>(&self, peer: GuardianId, stream: S) -> News
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut reader, mut writer) = split(stream);
        let greeted = async {
            let (sent, heard) = tokio::join!(write(&mut writer, &self.hello), read(&mut reader));
            sent.map_err(|error| ReadError::Io(error.to_string()))?;
            heard
        };
        let who = || self.participants.who(peer);
        match timeout(ATTEMPT, greeted).await {
            Err(_) => News::Failed(peer, "it does not answer".into()),
            Ok(Err(ReadError::Io(error))) => News::Failed(peer, error),
            Ok(Ok(hello)) if hello == self.hello => {
                News::Connected(Connected { peer, reader: Box::new(reader), writer: Box::new(writer) })
            }
            Ok(Ok(Message::Hello { version: VERSION, .. })) => {
                News::Hopeless(SetupError::OtherParticipants(who()))
            }
            Ok(Ok(_) | Err(ReadError::Garbage)) => News::Hopeless(SetupError::OtherVersion(who())),
        }
    }
}

/// Dials a participant until it is connected.
async fn dial(
    peer: GuardianId,
    address: String,
    connector: TlsConnector,
    greeting: Arc<Greeting>,
    news: mpsc::Sender<News>,
) {
    loop {
        let attempt = async {
            let socket = TcpStream::connect(&address).await?;
            socket.set_nodelay(true)?;
            connector.connect(TlsIdentity::server_name(), socket).await
        };
        let result = match timeout(ATTEMPT, attempt).await {
            Ok(Ok(stream)) => greeting.exchange(peer, stream).await,
            Ok(Err(error)) => News::Failed(peer, error.to_string()),
            Err(_) => News::Failed(peer, "it does not answer".into()),
        };
        let again = matches!(result, News::Failed(..));
        if news.send(result).await.is_err() || !again {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Accepts participants with lower numbers; `pinned` are their certificates.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pinned: Vec<Fingerprint>,
    greeting: Arc<Greeting>,
    news: mpsc::Sender<News>,
) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let mut handshakes = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await;
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            // Out of file descriptors, or the other side is gone already. Others may fare better later.
            Err(error) => {
                debug!("a connection could not be accepted: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        while handshakes.try_join_next().is_some() {}
        let (acceptor, pinned, greeting, news) =
            (acceptor.clone(), pinned.clone(), greeting.clone(), news.clone());
        handshakes.spawn(async move {
            let accepted = timeout(ATTEMPT, tcp::handshake(socket, &acceptor, &pinned)).await;
            drop(place);
            match accepted {
                Ok(Ok((peer, stream))) => {
                    // The ceremony may have ended meanwhile.
                    let _ = news.send(greeting.exchange(peer, stream).await).await;
                }
                Ok(Err(error)) => debug!("a stranger was turned away: {error}"),
                Err(_) => debug!("a stranger was turned away: too slow"),
            }
        });
    }
}

/// Why no message could be read.
enum ReadError {
    /// The connection failed or ended.
    Io(String),
    /// The bytes are no message.
    Garbage,
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
            _ => error.to_string(),
        })
    }
}

/// Reads a message: 4 bytes of length, little endian, and its encoding. Memory for it grows as bytes arrive.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Result<Message, ReadError> {
    let length = reader.read_u32_le().await? as usize;
    if length > MAX_MESSAGE_BYTES {
        return Err(ReadError::Garbage);
    }
    let mut bytes = Vec::with_capacity(length.min(RESERVED_BYTES));
    if reader.take(length as u64).read_to_end(&mut bytes).await? < length {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Message::from_bytes(&bytes).map_err(|_| ReadError::Garbage)
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), message: &Message) -> std::io::Result<()> {
    let bytes = message.to_bytes();
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    writer.write_all(&length.to_le_bytes()).await?;
    writer.write_all(&bytes).await?;
    writer.flush().await
}
