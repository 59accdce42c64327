//! A ledger in memory, shown as a server shows it, and one that lies.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_export::{Inclusion, Payload, Source, SourceError};
use countersign_tlog::{
    Checkpoint, Edge, Hash, SigningKey, VerifyingKey, consistency_proof, inclusion_proof, leaf_hash, tree,
};

/// The origin of the ledger in `tests/golden/ledgers`.
pub const ORIGIN: &str = "test/t/0/audit/1";

/// A folder that goes with the test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-export-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A ledger of which the server shows the first `size` records.
pub struct Ledger {
    pub lines: RefCell<Vec<String>>,
    pub size: Cell<u64>,
    /// Records before this index have no bytes.
    pub pruned: Cell<u64>,
    /// Records whose payload is erased.
    pub erased: RefCell<BTreeSet<u64>>,
    /// A record whose payload is shown to nobody.
    pub restricted: Cell<Option<u64>>,
    key: SigningKey,
}

impl Ledger {
    /// One record of every type.
    pub fn golden() -> Ledger {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/ledgers/0.1.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        Ledger::of(text.lines().map(str::to_owned).collect())
    }

    pub fn of(lines: Vec<String>) -> Ledger {
        Ledger {
            size: Cell::new(lines.len() as u64),
            lines: RefCell::new(lines),
            pruned: Cell::new(0),
            erased: RefCell::default(),
            restricted: Cell::default(),
            key: SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap(),
        }
    }

    pub fn key(&self) -> VerifyingKey {
        self.key.verifying_key().clone()
    }

    pub fn text(&self) -> String {
        let lines = self.lines.borrow();
        lines[..self.size.get() as usize]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The checkpoint of the first `size` records under a name.
    pub fn checkpoint_as(&self, origin: &str, size: u64) -> String {
        let mut edge = Edge::new();
        for leaf in self.leaves().into_iter().take(size as usize) {
            edge.push(leaf);
        }
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: edge.size(),
            root: edge.root(),
        };
        checkpoint
            .sign(&SigningKey::from_seed(origin, &self.key.seed()).unwrap())
            .unwrap()
    }

    fn leaves(&self) -> Vec<Hash> {
        self.lines
            .borrow()
            .iter()
            .map(|line| leaf_hash(line.as_bytes()))
            .collect()
    }
}

fn subtrees(leaves: &[Hash]) -> impl Fn(u8, u64) -> Option<Hash> {
    move |level, index| {
        let from = usize::try_from(index << level).ok()?;
        tree::perfect_subtree(leaves.get(from..from + (1 << level))?)
    }
}

impl Source for Ledger {
    async fn checkpoint(&self) -> Result<String, SourceError> {
        Ok(self.checkpoint_as(ORIGIN, self.size.get()))
    }

    async fn records(&self, from: u64, limit: u64) -> Result<String, SourceError> {
        let from = from.max(self.pruned.get());
        let end = self.size.get().min(from + limit);
        let lines = self.lines.borrow();
        Ok((from..end).map(|seq| format!("{}\n", lines[seq as usize])).collect())
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, SourceError> {
        let leaves = self.leaves();
        Ok(consistency_proof(from, to, &subtrees(&leaves)).unwrap())
    }

    async fn inclusion(&self, index: u64) -> Result<Inclusion, SourceError> {
        let leaves = self.leaves();
        let size = self.size.get();
        Ok(Inclusion {
            hashes: inclusion_proof(index, size, &subtrees(&leaves)).unwrap(),
            size,
        })
    }

    async fn payload(&self, index: u64) -> Result<Payload, SourceError> {
        if self.erased.borrow().contains(&index) {
            return Ok(Payload::Gone);
        }
        if self.restricted.get() == Some(index) {
            return Ok(Payload::Restricted);
        }
        Ok(Payload::Open {
            body: format!("{{\"of\":{index}}}"),
            salt: "00".repeat(32),
        })
    }
}
