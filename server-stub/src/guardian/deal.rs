//! Data directories of a whole federation, dealt in one place: for tests and benches of real processes.
//!
//! Whoever deals knows every secret. A federation that means it runs the ceremony (`guardian setup`).

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use rand::{Rng, RngCore, rngs::OsRng};
use rekindle_protocol::{config::UrlAnnouncement, schnorr};
use zeroize::Zeroizing;

use super::{GuardianError, Home, Member, Members, Membership, Profile, Secrets};
use crate::{
    dealer,
    files::{self, Readers},
    network::tcp::TlsIdentity,
    secrets::{KeyDerivation, Password},
};

/// Where ports are taken from.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
/// How many ports are tried for each that is needed.
const TRIES: usize = 1_000;

/// What to deal.
pub struct Deal {
    /// How many guardians: 1, or 4 and more.
    pub guardians: u16,
    /// How many denominations of notes.
    pub denominations: usize,
    /// Where to write: guardian N to the folder `guardian-N`, the issuer's key (32 bytes) to `issuer.key`.
    pub data: PathBuf,
    /// The password of all of them.
    pub password: Password,
    /// What it costs to derive a key from it.
    pub derivation: KeyDerivation,
}

/// What was dealt.
pub struct DealtHomes {
    /// The data directories, by id.
    pub homes: Vec<Home>,
    /// The key of the one issuer, a faucet.
    pub issuer: schnorr::SecretKey,
}

impl Deal {
    /// Deals a federation whose guardians listen on free addresses of the loopback interface.
    ///
    /// # Errors
    /// [`GuardianError`].
    pub fn run(&self) -> Result<DealtHomes, GuardianError> {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *seed);
        let deal = dealer::Deal {
            denominations: self.denominations,
            ..dealer::Deal::new(self.guardians, String::new())
        };
        let dealt = deal.deal(&seed);
        dealt.config.validate()?;
        let federation = dealt.config.federation_id();
        let addresses = free_addresses(2 * dealt.guardians.len())?;
        let (for_peers, for_wallets) = addresses.split_at(dealt.guardians.len());
        let identities =
            dealt.guardians.iter().map(|_| TlsIdentity::generate()).collect::<Result<Vec<_>, _>>()?;
        let members: Vec<Member> = identities
            .iter()
            .zip(for_peers)
            .map(|(tls, address)| Member { address: address.clone(), certificate: tls.fingerprint() })
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
        let urls: Vec<UrlAnnouncement> = (0..)
            .zip(&dealt.guardians)
            .zip(for_wallets)
            .map(|((id, keys), address)| {
                UrlAnnouncement::sign(&federation, id, now, format!("http://{address}"), &keys.identity)
            })
            .collect();
        let mut homes = Vec::new();
        for ((own, keys), tls) in (0..).zip(dealt.guardians).zip(identities) {
            let home = Home::at(&self.data.join(format!("guardian-{own}")));
            let id = usize::from(own);
            let profile = Profile {
                name: dealt.config.guardians[id].name.clone(),
                listen: members[id].address.clone(),
                address: members[id].address.clone(),
                api_listen: for_wallets[id].clone(),
                public_url: urls[id].url.clone(),
            };
            let secrets = Secrets { tls, identity: keys.identity.clone(), keys: Some(keys) };
            home.create(&profile, &secrets, &self.password, self.derivation)?;
            let member = Membership {
                profile,
                secrets,
                members: Members { own, guardians: members.clone() },
                urls: urls.clone(),
                config: dealt.config.clone(),
            };
            home.join(&member, &self.password, self.derivation)?;
            homes.push(home);
        }
        let path = self.data.join("issuer.key");
        files::replace(&path, &*dealt.issuer.to_bytes(), Readers::Owner)?;
        Ok(DealtHomes { homes, issuer: dealt.issuer })
    }
}

/// Different addresses of the loopback interface that nobody listens on, and that stay free while their guardian is
/// away: they share a host that others have no reason to choose, and no operating system gives these ports to outgoing
/// connections.
///
/// # Errors
/// If there are not so many.
pub fn free_addresses(count: usize) -> io::Result<Vec<String>> {
    let random = Ipv4Addr::new(127, OsRng.gen_range(1..255), OsRng.r#gen(), OsRng.gen_range(1..255));
    // Linux answers on all of 127.0.0.0/8, others on its first address alone.
    let host = if TcpListener::bind((random, 0)).is_ok() { random } else { Ipv4Addr::LOCALHOST };
    let mut held = Vec::new();
    for _ in 0..count * TRIES {
        if held.len() == count {
            break;
        }
        held.extend(TcpListener::bind((host, OsRng.gen_range(PORTS))));
    }
    if held.len() < count {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}
