//! What the wallet does in a forged history, and what it must find of it.
//!
//! Every transaction here is valid in every part: a guardian would have accepted it. So are the few of others
//! that it needs: credits, tokens given to the wallet, and those that redeem the wallet's tokens.

use std::collections::VecDeque;

use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, TxId},
    modules::{deposit::DepositOutput, mint::Denomination},
    ownership::{MemoContent, OperationKind},
    transaction::Transaction,
};
use serde::{Deserialize, Serialize};

use super::{
    Options,
    author::{Author, Draft, OwnedNote, Spendable, plain_memo, split},
    stream::Stream,
};

/// Below this balance the wallet takes in money, in sats.
const LOW_BALANCE: usize = 20_000;
/// How many of the notes that are too many it spends at a time.
const CONSOLIDATED: usize = 20;
/// The longest chain of transactions that one decision leads to.
pub const LONGEST_CHAIN: usize = 3;

/// What the wallet must find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// What it can spend, in sats; without what is out as tokens.
    pub balance_sats: u64,
    /// In how many notes.
    pub unspent_notes: usize,
    /// Tokens that it sent and that nobody redeemed.
    pub outstanding_tokens: usize,
    /// What they are worth, in sats.
    pub outstanding_sats: u64,
    /// Its own transactions: claims, sent tokens, redeemed and reclaimed ones, withdrawals.
    pub operations: usize,
}

/// What must follow something that happened.
enum Due {
    Claim { credit: Spendable, txid: TxId, amount: Amount },
    ClaimByStranger { credit: Spendable, amount: Amount },
    Redeem { notes: Vec<OwnedNote>, amount: Amount },
    RedeemByStranger { notes: Vec<OwnedNote>, amount: Amount },
    Reclaim { notes: Vec<OwnedNote>, send: TxId, amount: Amount },
}

/// The wallet and a stranger that it deals with.
pub struct Activity<'a> {
    owner: Author<'a>,
    stranger: Author<'a>,
    stream: Stream,
    due: VecDeque<Due>,
    notes: Vec<OwnedNote>,
    /// How many it likes to hold: of what is more it spends some of the smallest along with what it must.
    kept_notes: usize,
    expected: Expected,
}

impl<'a> Activity<'a> {
    /// Nothing has happened yet.
    pub fn new(options: &Options, owner: Author<'a>, stranger: Author<'a>) -> Self {
        Self {
            owner,
            stranger,
            stream: Stream::new(options.seed, "activity"),
            due: VecDeque::new(),
            notes: Vec::new(),
            kept_notes: options.wallet_notes,
            expected: Expected::default(),
        }
    }

    /// What the wallet must find so far. Complete only when nothing is due.
    pub fn expected(&self) -> Expected {
        let balance_sats = self.notes.iter().map(|note| note.amount().0).sum();
        Expected { balance_sats, unspent_notes: self.notes.len(), ..self.expected }
    }

    /// The next transaction: what is due, or something new if `may_begin`.
    pub fn next(&mut self, may_begin: bool) -> Option<Transaction> {
        match self.due.pop_front() {
            Some(due) => Some(self.follow_up(due)),
            None => may_begin.then(|| self.begin()),
        }
    }

    fn begin(&mut self) -> Transaction {
        let balance = self.expected().balance_sats;
        let small = Amount(1 + self.stream.below(2_000) as u64);
        // The first deposit is due at once: with nothing there is nothing to do.
        if balance < LOW_BALANCE as u64 || self.stream.below(8) == 0 {
            return self.be_credited();
        }
        match self.stream.below(8) {
            0 | 1 => self.be_given_token(small),
            2 => self.withdraw(small),
            _ => self.send(small),
        }
    }

    fn be_credited(&mut self) -> Transaction {
        let amount = Amount((LOW_BALANCE + self.stream.below(10 * LOW_BALANCE)) as u64);
        let (tweak, reference) = (self.stream.tweak(), Hash(self.stream.bytes()));
        let (transaction, credit) = self.owner.credit(tweak, amount, reference);
        self.due.push_back(Due::Claim { credit, txid: transaction.id(), amount });
        transaction
    }

    fn be_given_token(&mut self, amount: Amount) -> Transaction {
        let (tweak, reference) = (self.stream.tweak(), Hash(self.stream.bytes()));
        let (transaction, credit) = self.stranger.credit(tweak, amount, reference);
        self.due.push_back(Due::ClaimByStranger { credit, amount });
        transaction
    }

    fn send(&mut self, amount: Amount) -> Transaction {
        let (inputs, change) = self.take(amount);
        let token = self.split(amount);
        let token_outputs = u8::try_from(token.len()).unwrap_or(u8::MAX);
        let memo = MemoContent { kind: OperationKind::Send, amount, token_outputs, reference: Hash([0; 32]) };
        let notes = [token.clone(), self.split(change)].concat();
        let (transaction, mut fresh) = self.write(inputs, notes, None, memo);
        let own = fresh.split_off(token.len());
        self.notes.extend(own);
        match self.stream.below(4) {
            0 => {
                self.expected.outstanding_tokens += 1;
                self.expected.outstanding_sats += amount.0;
            }
            1 => self.due.push_back(Due::Reclaim { notes: fresh, send: transaction.id(), amount }),
            _ => self.due.push_back(Due::RedeemByStranger { notes: fresh, amount }),
        }
        transaction
    }

    fn withdraw(&mut self, amount: Amount) -> Transaction {
        let (inputs, change) = self.take(amount);
        let reference = Hash(self.stream.bytes());
        let withdrawal = DepositOutput::Withdrawal { issuer: 0, amount, reference };
        let memo = plain_memo(OperationKind::Withdrawal, amount);
        let (transaction, fresh) = self.write(inputs, self.split(change), Some(withdrawal), memo);
        self.notes.extend(fresh);
        transaction
    }

    fn follow_up(&mut self, due: Due) -> Transaction {
        match due {
            Due::Claim { credit, txid, amount } => {
                let memo =
                    MemoContent { reference: Hash(txid.0), ..plain_memo(OperationKind::Deposit, amount) };
                self.receive(vec![credit], amount, memo)
            }
            Due::Redeem { notes, amount } => {
                self.receive(spend(notes), amount, plain_memo(OperationKind::Redeem, amount))
            }
            Due::Reclaim { notes, send, amount } => {
                let memo =
                    MemoContent { reference: Hash(send.0), ..plain_memo(OperationKind::Reclaim, amount) };
                self.receive(spend(notes), amount, memo)
            }
            Due::ClaimByStranger { credit, amount } => {
                let (transaction, notes) = self.by_stranger(vec![credit], amount, OperationKind::Deposit);
                self.due.push_back(Due::Redeem { notes, amount });
                transaction
            }
            Due::RedeemByStranger { notes, amount } => {
                self.by_stranger(spend(notes), amount, OperationKind::Redeem).0
            }
        }
    }

    fn receive(&mut self, inputs: Vec<Spendable>, amount: Amount, memo: MemoContent) -> Transaction {
        let (transaction, fresh) = self.write(inputs, self.split(amount), None, memo);
        self.notes.extend(fresh);
        transaction
    }

    fn by_stranger(
        &mut self,
        inputs: Vec<Spendable>,
        amount: Amount,
        kind: OperationKind,
    ) -> (Transaction, Vec<OwnedNote>) {
        let tweak = self.stream.tweak();
        let notes = self.split(amount);
        let fresh = self.stranger.notes(&tweak, &notes).collect();
        let memo = plain_memo(kind, amount);
        let draft = Draft { inputs, notes, withdrawal: None, fee: Amount::ZERO, memo };
        (self.stranger.write(tweak, draft), fresh)
    }

    fn write(
        &mut self,
        inputs: Vec<Spendable>,
        notes: Vec<Denomination>,
        withdrawal: Option<DepositOutput>,
        memo: MemoContent,
    ) -> (Transaction, Vec<OwnedNote>) {
        let tweak = self.stream.tweak();
        let fresh = self.owner.notes(&tweak, &notes).collect();
        let draft = Draft { inputs, notes, withdrawal, fee: Amount::ZERO, memo };
        self.expected.operations += 1;
        (self.owner.write(tweak, draft), fresh)
    }

    /// Takes notes worth `amount` or more out of the wallet: the largest, and some of the smallest if there are
    /// many. Says how much that is too much.
    fn take(&mut self, amount: Amount) -> (Vec<Spendable>, Amount) {
        self.notes.sort_by_key(OwnedNote::amount);
        let mut taken: Vec<OwnedNote> = Vec::new();
        let total = |taken: &[OwnedNote]| taken.iter().map(|note| note.amount().0).sum::<u64>();
        while total(&taken) < amount.0
            && let Some(note) = self.notes.pop()
        {
            taken.push(note);
        }
        let small = self.notes.len().saturating_sub(self.kept_notes).min(CONSOLIDATED);
        taken.extend(self.notes.drain(..small));
        let change = Amount(total(&taken).saturating_sub(amount.0));
        (spend(taken), change)
    }

    fn split(&self, amount: Amount) -> Vec<Denomination> {
        split(amount, self.owner.secrets.mint.len())
    }
}

fn spend(notes: Vec<OwnedNote>) -> Vec<Spendable> {
    notes.into_iter().map(Spendable::Note).collect()
}
