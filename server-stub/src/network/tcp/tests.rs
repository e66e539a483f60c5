//! Over real sockets.

use rekindle_protocol::{config::UrlAnnouncement, schnorr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::conformance::{Guardians, PATIENCE, conforms, next},
    frame::{Frame, Hello, PROTOCOL_VERSION},
    *,
};
use crate::dealer::{Deal, Dealt};

/// 4 guardians on loopback.
struct Loopback {
    identities: Vec<TlsIdentity>,
    guardians: Vec<PeerAddress>,
    listeners: Vec<Option<TcpListener>>,
    dealt: Dealt,
    /// What each knows of where guardians are reached.
    announcements: Vec<Arc<Announcements>>,
}

const FEDERATION: FederationId = FederationId([1; 32]);
const CONFIG: Hash = Hash([2; 32]);

impl Loopback {
    async fn new() -> Self {
        let dealt = Deal { denominations: 1, ..Deal::new(4, String::new()) }.deal(&[3; 32]);
        let (identities, guardians, listeners, announcements) = (vec![], vec![], vec![], vec![]);
        let mut loopback = Self { identities, guardians, listeners, dealt, announcements };
        for _ in 0..4 {
            let identity = TlsIdentity::generate().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            loopback.guardians.push(PeerAddress {
                address: listener.local_addr().unwrap().to_string(),
                certificate: identity.fingerprint(),
            });
            loopback.identities.push(identity);
            loopback.listeners.push(Some(listener));
            loopback.announcements.push(loopback.nothing_announced());
        }
        loopback
    }

    fn nothing_announced(&self) -> Arc<Announcements> {
        Arc::new(Announcements::in_memory(Arc::new(self.dealt.config.clone()), vec![]))
    }

    /// An announcement of guardian `of` with the signature of guardian `signer`.
    fn announcement(&self, of: GuardianId, signer: usize, number: u64, url: &str) -> UrlAnnouncement {
        let key: &schnorr::SecretKey = &self.dealt.guardians[signer].identity;
        UrlAnnouncement::sign(&self.dealt.config.federation_id(), of, number, url.into(), key)
    }

    fn settings(&self, own: GuardianId) -> TcpSettings {
        TcpSettings {
            own,
            identity: self.identities[usize::from(own)].clone(),
            guardians: self.guardians.clone(),
            federation: FEDERATION,
            config: CONFIG,
            limits: OutboxLimits::default(),
            announcements: self.announcements[usize::from(own)].clone(),
        }
    }

    async fn start_with(&mut self, settings: TcpSettings) -> TcpNetwork {
        let own = usize::from(settings.own);
        let listener = match self.listeners[own].take() {
            Some(listener) => listener,
            None => bind(&self.guardians[own].address).await,
        };
        TcpNetwork::start(settings, listener).unwrap()
    }

    /// A connection to a guardian as one of its peers makes it, handshake done.
    async fn dial(&self, from: GuardianId, to: GuardianId) -> tokio_rustls::client::TlsStream<TcpStream> {
        let peer = &self.guardians[usize::from(to)];
        let connector =
            TlsConnector::from(self.identities[usize::from(from)].client(peer.certificate).unwrap());
        connect(&peer.address, &connector).await.unwrap()
    }
}

/// The port of a network that was dropped a moment ago.
async fn bind(address: &str) -> TcpListener {
    let bound = async {
        loop {
            if let Ok(listener) = TcpListener::bind(address).await {
                return listener;
            }
            // The tasks of the run before are being dropped on another thread.
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, bound).await.unwrap()
}

impl Guardians for Loopback {
    type End = TcpNetwork;

    async fn start(&mut self, id: GuardianId) -> TcpNetwork {
        let settings = self.settings(id);
        self.start_with(settings).await
    }

    fn oldest_epoch(end: &TcpNetwork) -> Option<u64> {
        end.shared.links().oldest_epoch()
    }
}

mod conformance {
    use super::*;

    conforms!(Loopback::new().await);
}

/// Waits for what a guardian knows of a peer.
async fn status(network: &TcpNetwork, peer: usize, is: impl Fn(&PeerStatus) -> bool) -> PeerStatus {
    let mut peers = network.peers();
    let found = async { peers.wait_for(|peers| is(&peers[peer])).await.unwrap()[peer].clone() };
    timeout(PATIENCE, found).await.expect("the status never came")
}

fn hello(run: u64) -> Frame {
    let protocol = PROTOCOL_VERSION;
    Frame::Hello(Hello { protocol, federation: FEDERATION, config: CONFIG, run, received: None })
}

async fn say(stream: &mut (impl tokio::io::AsyncWrite + Unpin), frames: &[Frame]) {
    let mut bytes = bytes::BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut bytes));
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn connections_are_observed() {
    let mut loopback = Loopback::new().await;
    let a = loopback.start(0).await;
    let down = status(&a, 1, |peer| peer.last_error.is_none()).await;
    assert_eq!(down, PeerStatus::default());
    let b = loopback.start(1).await;
    for (network, peer) in [(&a, 1), (&b, 0)] {
        let up = status(network, peer, |peer| peer.round_trip.is_some()).await;
        assert!(up.connected_since.is_some() && up.agrees == Some(true) && up.banned.is_none());
    }
    drop(b);
    let down = status(&a, 1, |peer| peer.connected_since.is_none()).await;
    assert!(down.last_error.is_some() && down.round_trip.is_none());
}

/// Waits until an announcement is all that a guardian knows.
async fn learns(announcements: &Announcements, announcement: &UrlAnnouncement) {
    let mut known = announcements.watch();
    let learned = known.wait_for(|known| known == std::slice::from_ref(announcement));
    timeout(PATIENCE, learned).await.expect("it does not learn of it").unwrap();
}

#[tokio::test]
async fn announcements_are_passed_on_also_by_others() {
    let mut loopback = Loopback::new().await;
    let (a, b) = (loopback.start(0).await, loopback.start(1).await);
    let old = loopback.announcement(0, 0, 1, "https://old.example");
    let new = loopback.announcement(0, 0, 2, "https://new.example");
    // What is known before a connection is told at its beginning, what comes later when it comes.
    for announcement in [&old, &new] {
        loopback.announcements[0].take(announcement.clone()).unwrap();
        learns(&loopback.announcements[1], announcement).await;
    }
    drop(a);
    // The others tell who was away, and who has forgotten.
    let c = loopback.start(2).await;
    learns(&loopback.announcements[2], &new).await;
    loopback.announcements[0] = loopback.nothing_announced();
    loopback.announcements[0].take(old).unwrap();
    let a = loopback.start(0).await;
    learns(&loopback.announcements[0], &new).await;
    drop((a, b, c));
}

#[tokio::test]
async fn forged_announcements_ban_and_old_ones_change_nothing() {
    let mut loopback = Loopback::new().await;
    let victim = loopback.start(2).await;
    let new = loopback.announcement(1, 1, 2, "https://new.example");
    let old = loopback.announcement(1, 1, 1, "https://old.example");
    let not_a_url = loopback.announcement(3, 3, 1, "new.example");
    let mut peer = loopback.dial(0, 2).await;
    say(&mut peer, &[hello(1), Frame::Announcement(new.clone())]).await;
    say(&mut peer, &[Frame::Announcement(old), Frame::Announcement(not_a_url), Frame::Ping(1)]).await;
    // It has read the ping, so everything before it.
    let answered = async { while Frame::read(&mut peer).await.unwrap() != Frame::Pong(1) {} };
    timeout(PATIENCE, answered).await.expect("no pong");
    assert_eq!(loopback.announcements[2].all(), std::slice::from_ref(&new));
    let forged = loopback.announcement(1, 0, 3, "https://evil.example");
    say(&mut peer, &[Frame::Announcement(forged)]).await;
    let banned = status(&victim, 0, |peer| peer.banned.is_some()).await;
    assert_eq!(banned.banned.as_deref(), Some("an announcement that is not its guardian's"));
    assert_eq!(loopback.announcements[2].all(), [new]);
}

#[tokio::test]
async fn another_config_is_not_talked_to() {
    let mut loopback = Loopback::new().await;
    let a = loopback.start(0).await;
    let settings = TcpSettings { config: Hash([3; 32]), ..loopback.settings(1) };
    let b = loopback.start_with(settings).await;
    for (network, peer) in [(&a, 1), (&b, 0)] {
        let status = status(network, peer, |peer| peer.agrees == Some(false)).await;
        assert_eq!((status.connected_since, status.banned), (None, None));
    }
    drop(b);
    // Once it is put right, they talk.
    let b = loopback.start(1).await;
    status(&b, 0, |peer| peer.agrees == Some(true)).await;
    status(&a, 1, |peer| peer.connected_since.is_some()).await;
}

#[tokio::test]
async fn what_does_not_decode_bans() {
    let evil: [(&[Frame], &[u8], &str); 5] = [
        (&[], &[1, 0, 0, 0, 9], "a frame that does not decode"),
        (&[], &[0xff; 4], "a frame of 4294967295 bytes"),
        (&[Frame::Ping(1)], &[], "something else than a hello first"),
        (&[hello(1), hello(1)], &[], "a second hello"),
        (
            &[
                hello(1),
                Frame::Message { number: 5, bytes: Bytes::new() },
                Frame::Message { number: 5, bytes: Bytes::new() },
            ],
            &[],
            "message 5 out of its order",
        ),
    ];
    for (frames, raw, reason) in evil {
        let mut loopback = Loopback::new().await;
        let victim = loopback.start(2).await;
        let mut stream = loopback.dial(0, 2).await;
        say(&mut stream, frames).await;
        stream.write_all(raw).await.unwrap();
        stream.flush().await.unwrap();
        let banned = status(&victim, 0, |peer| peer.banned.is_some()).await;
        assert_eq!(banned.banned.as_deref(), Some(reason));
        let mut rest = Vec::new();
        // Cut off, with or without a word.
        let _ = stream.read_to_end(&mut rest).await;
        let mut again = loopback.dial(0, 2).await;
        assert!(again.read_u8().await.is_err(), "banned peers are hung up on");
        // Others are not.
        let mut other = loopback.dial(1, 2).await;
        say(&mut other, &[hello(1)]).await;
        status(&victim, 1, |peer| peer.connected_since.is_some()).await;
    }
}

#[tokio::test]
async fn strangers_and_higher_ids_get_no_connection() {
    let mut loopback = Loopback::new().await;
    let _victim = loopback.start(1).await;
    let stranger = TlsIdentity::generate().unwrap();
    let higher = loopback.identities[3].clone();
    for identity in [stranger, higher] {
        let peer = &loopback.guardians[1];
        let connector = TlsConnector::from(identity.client(peer.certificate).unwrap());
        // In TLS 1.3 the client learns that it was refused when it reads.
        if let Ok(mut stream) = connect(&peer.address, &connector).await {
            assert!(stream.read_u8().await.is_err());
        }
    }
}

#[tokio::test]
async fn another_version_is_named() {
    let mut loopback = Loopback::new().await;
    let network = loopback.start(1).await;
    let mut stream = loopback.dial(0, 1).await;
    stream.write_all(&[5, 0, 0, 0, 0, 9, 0, 1, 2]).await.unwrap();
    stream.flush().await.unwrap();
    let refused = status(&network, 0, |peer| peer.last_error.is_some()).await;
    assert!(refused.last_error.unwrap().contains("version 9"));
    assert_eq!(refused.banned, None);
}

#[tokio::test]
async fn a_broken_connection_loses_nothing() {
    let mut loopback = Loopback::new().await;
    // Guardian 0 reaches guardian 1 through a wire that the test cuts.
    let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = loopback.guardians[1].address.clone();
    let mut settings = loopback.settings(0);
    settings.guardians[1].address = wire.local_addr().unwrap().to_string();
    let mut a = loopback.start_with(settings).await;
    let mut b = loopback.start(1).await;
    let _others = [loopback.start(2).await, loopback.start(3).await];
    let cutter = tokio::spawn(async move {
        // Connections live for ever fewer bytes less: the last one for all.
        for bytes in [200u64, 3_000, 20_000, u64::MAX] {
            let (mut near, _) = wire.accept().await.unwrap();
            let mut far = TcpStream::connect(&target).await.unwrap();
            let (mut near_read, mut near_write) = near.split();
            let (mut far_read, mut far_write) = far.split();
            let mut limited = (&mut near_read).take(bytes);
            tokio::select! {
                _ = tokio::io::copy(&mut limited, &mut far_write) => {}
                _ = tokio::io::copy(&mut far_read, &mut near_write) => {}
            }
        }
    });
    let text = |number: u64| format!("{number:0>100}");
    for number in 0..1_000 {
        a.send(1, Some(number), Bytes::from(text(number)));
    }
    for number in 0..1_000 {
        let (received, message) = next(&mut b, 0).await;
        assert_eq!((received, message), (number, text(number)));
    }
    drop((a, b));
    cutter.await.unwrap();
}
