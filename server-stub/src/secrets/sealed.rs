//! Sealing and opening.

use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rand::{CryptoRng, RngCore};
use rekindle_protocol::encoding::{Canonical, Decode, Encode};
use zeroize::Zeroizing;

use super::{KeyDerivation, Password};

const MAGIC: [u8; 8] = *b"REKINDLE";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8 + 1 + 12 + 16 + 24;
const TAG_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why a file with secrets can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is something else.
    #[error("this is no file with a guardian's secrets")]
    NotSealed,
    /// Bytes were changed or lost since it was written.
    #[error("the file is damaged: restore it from a backup")]
    Damaged,
    /// Written by a newer version of this software.
    #[error("the file has version {0}, this software knows version {VERSION}")]
    TooNew(u8),
    /// The key derivation asks for more than any file of ours, or for less than the algorithm takes.
    #[error("the file asks for an impossible key derivation")]
    Costs,
    /// The password does not open it.
    #[error("wrong password")]
    WrongPassword,
}

#[derive(Encode, Decode)]
struct Header {
    magic: [u8; 8],
    version: u8,
    derivation: KeyDerivation,
    salt: [u8; 16],
    nonce: [u8; 24],
}

/// Seals `content` under a password, into the bytes of a file.
///
/// # Errors
/// [`SealError::Costs`] if the key derivation is outside its bounds.
pub fn seal<R: RngCore + CryptoRng>(
    content: &[u8],
    password: &Password,
    derivation: KeyDerivation,
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    let mut header = Header { magic: MAGIC, version: VERSION, derivation, salt: [0; 16], nonce: [0; 24] };
    rng.fill_bytes(&mut header.salt);
    rng.fill_bytes(&mut header.nonce);
    let key = derivation.derive(password, &header.salt)?;
    let mut file = header.to_bytes();
    let mut sealed = Zeroizing::new(content.to_vec());
    let tag = cipher(&key)
        .encrypt_inout_detached(&XNonce::from(header.nonce), &file, sealed.as_mut_slice().into())
        .map_err(|_| SealError::Costs)?;
    file.extend_from_slice(&sealed);
    file.extend_from_slice(&tag);
    file.extend_from_slice(blake3::hash(&file).as_bytes());
    Ok(file)
}

/// Opens the bytes of a file.
///
/// # Errors
/// [`SealError`].
pub fn open(file: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (bytes, hash) = file.split_last_chunk::<HASH_BYTES>().ok_or(SealError::NotSealed)?;
    let magic = bytes.first_chunk::<8>().ok_or(SealError::NotSealed)?;
    // A file that is whole but not ours is told apart from one of ours that is not whole.
    if blake3::hash(bytes) != *hash {
        return Err(if *magic == MAGIC { SealError::Damaged } else { SealError::NotSealed });
    }
    if *magic != MAGIC {
        return Err(SealError::NotSealed);
    }
    if bytes[MAGIC.len()] != VERSION {
        return Err(SealError::TooNew(bytes[MAGIC.len()]));
    }
    let (associated, sealed) = bytes.split_at_checked(HEADER_BYTES).ok_or(SealError::Damaged)?;
    let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(SealError::Damaged)?;
    let header = Header::from_bytes(associated).map_err(|_| SealError::Damaged)?;
    let key = header.derivation.derive(password, &header.salt)?;
    let mut content = Zeroizing::new(sealed.to_vec());
    cipher(&key)
        .decrypt_inout_detached(
            &XNonce::from(header.nonce),
            associated,
            content.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| SealError::WrongPassword)?;
    Ok(content)
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned().into()).unwrap()
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(1);
        seal(content, &password("open sesame"), KeyDerivation::CHEAPEST, &mut rng).unwrap()
    }

    /// Changes a file as somebody does who knows how the hash is made.
    fn with_new_hash(mut file: Vec<u8>, change: impl Fn(&mut [u8])) -> Vec<u8> {
        let end = file.len() - HASH_BYTES;
        change(&mut file[..end]);
        let hash = blake3::hash(&file[..end]);
        file[end..].copy_from_slice(hash.as_bytes());
        file
    }

    proptest! {
        #[test]
        fn opens_with_its_password_alone(content in vec(any::<u8>(), 0..200), other in ".{1,20}") {
            let file = sealed(&content);
            prop_assert_eq!(&**open(&file, &password("open sesame")).unwrap(), &content[..]);
            if other != "open sesame" {
                prop_assert_eq!(open(&file, &password(&other)).unwrap_err(), SealError::WrongPassword);
            }
        }

        #[test]
        fn any_changed_byte_is_noticed(content in vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut file = sealed(&content);
            let at = at.index(file.len());
            file[at] ^= flip;
            let expected = if at < MAGIC.len() { SealError::NotSealed } else { SealError::Damaged };
            prop_assert_eq!(open(&file, &password("open sesame")).unwrap_err(), expected);
        }

        #[test]
        fn the_seal_covers_everything_after_the_costs(content in vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let file = sealed(&content);
            let from = MAGIC.len() + 1 + 12;
            let at = from + at.index(file.len() - HASH_BYTES - from);
            let forged = with_new_hash(file, |bytes| bytes[at] ^= flip);
            prop_assert_eq!(open(&forged, &password("open sesame")).unwrap_err(), SealError::WrongPassword);
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(open(&bytes, &password("x")).unwrap_err(), SealError::NotSealed);
        }
    }

    #[test]
    fn costs_and_versions_are_bounded() {
        let costs = |memory: u32, passes: u32, lanes: u32| {
            let forged = with_new_hash(sealed(b"secret"), |bytes| {
                bytes[9..21].copy_from_slice(&KeyDerivation { memory, passes, lanes }.to_bytes());
            });
            open(&forged, &password("open sesame")).unwrap_err()
        };
        for (memory, passes, lanes) in [(u32::MAX, 1, 1), (8, 33, 1), (8 << 5, 1, 17), (0, 1, 1), (8, 0, 1)] {
            assert_eq!(costs(memory, passes, lanes), SealError::Costs);
        }
        assert_eq!(costs(16, 1, 1), SealError::WrongPassword, "the costs decide the key");
        let newer = with_new_hash(sealed(b""), |bytes| bytes[8] = 2);
        assert_eq!(open(&newer, &password("x")).unwrap_err(), SealError::TooNew(2));
        let mut rng = StdRng::seed_from_u64(1);
        let costly = KeyDerivation { memory: u32::MAX, ..KeyDerivation::CHEAPEST };
        assert_eq!(seal(b"", &password("x"), costly, &mut rng), Err(SealError::Costs));
    }

    #[test]
    fn two_files_of_the_same_content_share_nothing() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut file = || seal(&[0; 64], &password("x"), KeyDerivation::CHEAPEST, &mut rng).unwrap();
        let (a, b) = (file(), file());
        assert_ne!(a[21..37], b[21..37], "salts");
        assert_ne!(a[HEADER_BYTES..], b[HEADER_BYTES..]);
    }
}
