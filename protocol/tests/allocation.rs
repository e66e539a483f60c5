//! No byte string makes a decoder allocate more than its length justifies.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use proptest::{collection::vec, prelude::*};
use rekindle_protocol::{
    api::{Attested, Status, TransactionStatus},
    backup::Backup,
    bytes::FederationId,
    config::ConfigDocument,
    encoding::Canonical,
    invite::InviteCode,
    modules::{
        deposit::{CreditRequest, DepositConfig},
        mint::{MintConfig, SharesAnswer, SharesRequest},
    },
    ranges::{RecoveryRecord, SessionRecord},
    session::{HashedSession, SessionStatus, SignedSession},
    transaction::Transaction,
};

/// Counts what the current thread asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

#[allow(unsafe_code, reason = "a global allocator can't be written without")]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|allocated| allocated.set(allocated.get() + layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that decoding may ask for at once whatever the input: reserves, and the text of an error.
const FLAT: usize = 16 << 10;
/// Bytes for each byte of input: the values themselves, and the doubling of vectors that grow.
const FACTOR: usize = 64;

fn assert_frugal(name: &str, input: &[u8], decode: impl FnOnce(&[u8])) {
    let before = ALLOCATED.with(Cell::get);
    decode(input);
    let allocated = ALLOCATED.with(Cell::get) - before;
    assert!(
        allocated <= FLAT + FACTOR * input.len(),
        "{name}: {} bytes of input made decoding ask for {allocated}",
        input.len()
    );
}

fn try_all(bytes: &[u8]) {
    fn one<T: Canonical>(bytes: &[u8]) {
        assert_frugal(std::any::type_name::<T>(), bytes, |bytes| drop(T::from_bytes(bytes)));
    }
    one::<Transaction>(bytes);
    one::<SignedSession>(bytes);
    one::<SessionStatus>(bytes);
    one::<SessionRecord>(bytes);
    one::<RecoveryRecord>(bytes);
    one::<ConfigDocument>(bytes);
    one::<MintConfig>(bytes);
    one::<DepositConfig>(bytes);
    one::<SharesRequest>(bytes);
    one::<SharesAnswer>(bytes);
    one::<CreditRequest>(bytes);
    one::<Attested>(bytes);
    one::<Option<Backup>>(bytes);
    one::<TransactionStatus>(bytes);
    one::<Status>(bytes);
    one::<InviteCode>(bytes);
    assert_frugal("HashedSession", bytes, |bytes| drop(HashedSession::from_bytes(bytes)));
    assert_frugal("SessionRecord::read", bytes, |bytes| {
        let mut sessions = Vec::new();
        drop(SessionRecord::read(bytes, &FederationId([0; 32]), &mut |session| sessions.push(session)));
    });
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..400)) {
        try_all(&bytes);
    }

    /// Lengths that claim much, at any place.
    #[test]
    fn large_lengths(prefix in vec(0u8..3, 0..260), length in prop::sample::select(vec![
        [0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0], [0xd0, 7, 0, 0], [0, 0, 8, 0], [0, 0, 0x10, 0], [255, 0, 0, 0],
    ]), rest in vec(any::<u8>(), 0..40)) {
        let bytes: Vec<u8> = prefix.into_iter().chain(length).chain(rest).collect();
        try_all(&bytes);
    }
}
