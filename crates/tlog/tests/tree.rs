//! The tree against RFC 6962's definition, its known vectors, and two independent implementations.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

use countersign_tlog::tree::{self, perfect_subtree};
use countersign_tlog::{
    Edge, Hash, ProofError, consistency_proof, inclusion_proof, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;
use sha2::Sha256;

const MAX: u64 = 70;

/// MTH, PATH and SUBPROOF as RFC 6962, section 2.1 defines them, by recursion over all leaves.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(mth(left), mth(right))
        }
    }
}

fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if index < middle {
        (path(index, left), right)
    } else {
        (path(index - middle, right), left)
    };
    proof.push(mth(sibling));
    proof
}

fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { vec![] } else { vec![mth(leaves)] };
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if old <= middle {
        (subproof(old, left, whole), right)
    } else {
        (subproof(old - middle, right, false), left)
    };
    proof.push(mth(sibling));
    proof
}

fn leaf(index: u64) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&leaf(index))).collect()
}

/// An accessor that, like a store, has perfect subtrees of the first `size` leaves and no others.
fn stored(all: &[Hash]) -> impl Fn(u8, u64) -> Option<Hash> {
    move |level, index| {
        let (start, end) = (
            usize::try_from(index << level).unwrap(),
            usize::try_from((index + 1) << level).unwrap(),
        );
        perfect_subtree(all.get(start..end)?)
    }
}

fn edge(leaves: &[Hash]) -> Edge {
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    edge
}

#[test]
fn roots_are_those_of_the_certificate_transparency_test_vectors() {
    let inputs = ["", "\0", "\x10", " !", "01", "@ABC", "PQRSTUVW", "`abcdefghijklmno"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let hashes: Vec<_> = inputs.iter().map(|input| leaf_hash(input.as_bytes())).collect();
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(edge(&hashes[..size]).root().to_string(), *root, "size {size}");
    }
}

#[test]
fn every_proof_up_to_seventy_leaves_is_the_one_that_the_rfc_defines_and_verifies() {
    let all = leaves(MAX);
    for new in 0..=MAX {
        let tree = &all[..usize::try_from(new).unwrap()];
        let root = mth(tree);
        assert_eq!(edge(tree).root(), root);
        assert_eq!(tree::root(new, &stored(tree)).unwrap(), root);
        for index in 0..new {
            let proof = inclusion_proof(index, new, &stored(tree)).unwrap();
            assert_eq!(proof, path(usize::try_from(index).unwrap(), tree), "{index} of {new}");
            let leaf = all[usize::try_from(index).unwrap()];
            verify_inclusion(leaf, index, new, &proof, root).unwrap();
            // The same proof holds for no other index and no other size with the same root.
            for other in (0..new).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf, other, new, &proof, root).is_err());
            }
        }
        for old in 1..=new {
            let proof = consistency_proof(old, new, &stored(tree)).unwrap();
            let old_leaves = &tree[..usize::try_from(old).unwrap()];
            assert_eq!(proof, subproof(old_leaves.len(), tree, true), "{old} of {new}");
            verify_consistency(old, mth(old_leaves), new, root, &proof).unwrap();
        }
        verify_consistency(0, Hash::of(b""), new, root, &[]).unwrap();
    }
}

#[test]
fn proofs_equal_those_of_ct_merkle_and_tlog_tiles() {
    struct Stored(Vec<tlog_tiles::Hash>);
    impl tlog_tiles::HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes
                .iter()
                .map(|index| self.0[usize::try_from(*index).unwrap()])
                .collect())
        }
    }
    let bytes = |proof: &[Hash]| proof.iter().flat_map(|hash| hash.0).collect::<Vec<_>>();
    let ours = |proof: Vec<tlog_tiles::Hash>| proof.into_iter().map(|hash| Hash(hash.0)).collect::<Vec<_>>();

    let all = leaves(MAX);
    let mut memory = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut tiles = Stored(Vec::new());
    for new in 1..=MAX {
        memory.push(leaf(new - 1));
        let added = tlog_tiles::stored_hashes(new - 1, &leaf(new - 1), &tiles).unwrap();
        tiles.0.extend(added);
        let tree = &all[..usize::try_from(new).unwrap()];
        let root = edge(tree).root();
        assert_eq!(memory.root().as_bytes().as_slice(), root.0);
        assert_eq!(tlog_tiles::tree_hash(new, &tiles).unwrap().0, root.0);
        for index in 0..new {
            let proof = inclusion_proof(index, new, &stored(tree)).unwrap();
            assert_eq!(
                memory.prove_inclusion(usize::try_from(index).unwrap()).as_bytes(),
                bytes(&proof)
            );
            assert_eq!(ours(tlog_tiles::prove_record(new, index, &tiles).unwrap()), proof);
        }
        for old in 1..new {
            let proof = consistency_proof(old, new, &stored(tree)).unwrap();
            assert_eq!(
                memory.prove_consistency(usize::try_from(new - old).unwrap()).as_bytes(),
                bytes(&proof)
            );
            assert_eq!(ours(tlog_tiles::prove_tree(new, old, &tiles).unwrap()), proof);
        }
    }
}

#[test]
fn an_edge_comes_back_from_its_bytes_and_damaged_bytes_are_refused() {
    let all = leaves(MAX);
    for size in 0..all.len() {
        let edge = edge(&all[..size]);
        let bytes = edge.to_bytes();
        assert_eq!(Edge::from_bytes(&bytes).unwrap(), edge);
        assert_eq!(
            Edge::from_bytes(&[&bytes[..], &[0; 32]].concat()),
            Err(ProofError::Edge)
        );
        assert_eq!(Edge::from_bytes(&bytes[..bytes.len() - 1]), Err(ProofError::Edge));
    }
}

#[test]
fn proofs_of_what_is_not_there_are_refused_and_never_panic() {
    let none = |_: u8, _: u64| None;
    let hash = Hash::of(b"x");
    assert!(matches!(inclusion_proof(5, 5, &none), Err(ProofError::Range(_))));
    assert!(matches!(
        inclusion_proof(5, u64::MAX, &none),
        Err(ProofError::Missing { .. })
    ));
    assert!(matches!(consistency_proof(6, 5, &none), Err(ProofError::Range(_))));
    assert!(matches!(
        consistency_proof(6, u64::MAX, &none),
        Err(ProofError::Missing { .. })
    ));
    assert!(verify_inclusion(hash, 0, 0, &[], hash).is_err());
    assert!(verify_inclusion(hash, u64::MAX - 1, u64::MAX, &[hash; 70], hash).is_err());
    assert!(verify_consistency(u64::MAX - 1, hash, u64::MAX, hash, &[hash; 70]).is_err());
    assert!(verify_consistency(1 << 63, hash, u64::MAX, hash, &[hash; 3]).is_err());
    assert!(verify_consistency(0, hash, 5, hash, &[]).is_err());
    assert!(verify_consistency(5, hash, 5, hash, &[hash]).is_err());
    assert_eq!(perfect_subtree(&[]), None);
    assert_eq!(perfect_subtree(&[hash; 3]), None);
}

proptest! {
    #[test]
    fn a_changed_proof_does_not_verify(
        size in 2_u64..300, pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        bit in 0_usize..256, kind in 0_u8..3,
    ) {
        let all = leaves(size);
        let root = edge(&all).root();
        let index = pick.index(all.len());
        let damage = |proof: &mut Vec<Hash>| match kind {
            0 => { let at = at.index(proof.len()); proof[at].0[bit / 8] ^= 1 << (bit % 8); }
            1 => { proof.remove(at.index(proof.len())); }
            _ => proof.insert(at.index(proof.len() + 1), Hash::of(&bit.to_be_bytes())),
        };
        let position = u64::try_from(index).unwrap();
        let mut proof = inclusion_proof(position, size, &stored(&all)).unwrap();
        damage(&mut proof);
        prop_assert!(verify_inclusion(all[index], position, size, &proof, root).is_err());
        let old = position.max(1);
        let mut proof = consistency_proof(old, size, &stored(&all)).unwrap();
        damage(&mut proof);
        let old_root = edge(&all[..usize::try_from(old).unwrap()]).root();
        prop_assert!(verify_consistency(old, old_root, size, root, &proof).is_err());
    }
}
