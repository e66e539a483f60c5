//! Which sessions concern a wallet, by their recovery entries alone. No I/O.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::Hash,
    recovery_index::{Entries, ShortSpend, short_spend},
    transaction::ModuleId,
};

use crate::{context::WalletContext, sorted::SortedSet, stream::SessionEntries};

/// Looks for the wallet's own transactions by their tags, and for spends of what it watches.
///
/// What its own transactions issue it watches from then on: with the number of outputs, the nonces follow from the
/// tweak. Only its owner claims a deposit, in a transaction of its own, so credits need no watching.
pub struct IndexScan {
    context: Rc<WalletContext>,
    watched: Watched,
}

impl IndexScan {
    /// Watches nothing yet.
    pub fn new(context: Rc<WalletContext>) -> Self {
        Self { context, watched: Watched::default() }
    }

    /// The wallet it looks for.
    pub fn context(&self) -> &Rc<WalletContext> {
        &self.context
    }

    /// Watches for the spend of something.
    pub fn watch(&mut self, module: ModuleId, nonce: &Hash) {
        self.watched.insert(short_spend(module, nonce));
    }

    /// Whether a session may hold something of the wallet's. One in 65,536 transactions of others looks as if.
    /// Sessions must come in order.
    pub fn concerns(&mut self, session: &SessionEntries) -> bool {
        let mut concerned = false;
        // Decoding has checked them.
        for entry in Entries(&session.entries).flatten() {
            if self.context.secret.tag(&entry.tweak) == entry.tag {
                concerned = true;
                for number in 0..entry.outputs {
                    let nonce = self.context.nonce(&entry.tweak, number);
                    self.watched.insert(short_spend(self.context.mint_id, &Hash(nonce.0)));
                }
            }
            concerned |= entry.spends.iter().any(|spend| self.watched.contains(spend));
        }
        concerned
    }
}

/// A set of short spends that says no at the price of one look into 8 KB.
struct Watched {
    spends: SortedSet<ShortSpend>,
    /// A bit for each value of the first two bytes.
    filter: Vec<u64>,
}

impl Default for Watched {
    fn default() -> Self {
        Self { spends: SortedSet::new(), filter: vec![0; 1 << 10] }
    }
}

impl Watched {
    fn insert(&mut self, spend: ShortSpend) {
        let (word, bit) = place(&spend);
        self.filter[word] |= bit;
        self.spends.insert(spend);
    }

    fn contains(&self, spend: &ShortSpend) -> bool {
        let (word, bit) = place(spend);
        self.filter[word] & bit != 0 && self.spends.contains(spend)
    }
}

/// Where the filter keeps a spend's bit: below 1,024, and which of 64.
fn place(spend: &ShortSpend) -> (usize, u64) {
    let at = u16::from_le_bytes([spend[0], spend[1]]);
    (usize::from(at >> 6), 1 << (at & 63))
}
