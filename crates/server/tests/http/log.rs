//! The log as tiles, and what the operator at the machine does with it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{Acme, TOKEN};

/// Reads tiles as C2SP tlog-tiles has them, with nothing but Python: the root over the hashes of level 0 is the checkpoint's, each hash
/// of level 1 is that of its tile below, and the entries have the hashes of level 0.
const READER: &str = r#"
import base64, hashlib, os, sys
folder = sys.argv[1]
def read(name): return open(os.path.join(folder, name.replace("/", "_")), "rb").read()
def sha(data): return hashlib.sha256(data).digest()
def root(hashes):
    if len(hashes) == 1: return hashes[0]
    left = 1
    while left * 2 < len(hashes): left *= 2
    return sha(b"\1" + root(hashes[:left]) + root(hashes[left:]))
def number(n): return "%03d" % n
def tiles(kind, count):
    for n in range(count // 256): yield "%s/%s" % (kind, number(n)), 256
    if count % 256: yield "%s/%s.p/%d" % (kind, number(count // 256), count % 256), count % 256
note = read("checkpoint").decode().split("\n")
size, wanted = int(note[1]), base64.b64decode(note[2])
assert size > 600, size
leaves, above = [], []
for name, width in tiles("0", size):
    data = read(name)
    assert len(data) == 32 * width, name
    hashes = [data[at:at + 32] for at in range(0, len(data), 32)]
    leaves += hashes
    if width == 256: above.append(root(hashes))
assert root(leaves) == wanted, "another root"
[(name, width)] = tiles("1", size // 256)
assert read(name) == b"".join(above), "another level 1"
entries = []
for name, width in tiles("entries", size):
    data, at, before = read(name), 0, len(entries)
    while at < len(data):
        length = int.from_bytes(data[at:at + 2], "big")
        entries.append(data[at + 2:at + 2 + length]); at += 2 + length
    assert len(entries) - before == width, name
assert [sha(b"\0" + entry) for entry in entries] == leaves, "another entry"
print("fine", size)
"#;

/// Changes a byte of each tile, the first, the last and some between, and puts it back.
fn each_changed_byte_is_found(folder: &Path, is_found: impl Fn() -> bool) {
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.ends_with("checkpoint") {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        let last = whole.len() - 1;
        for place in [0, 1, last / 3, last / 2, last] {
            let mut changed = whole.clone();
            changed[place] ^= 1 << (place % 8);
            std::fs::write(&file, changed).unwrap();
            assert!(is_found(), "{} {place}", file.display());
        }
        std::fs::write(&file, whole).unwrap();
    }
}

#[tokio::test]
async fn a_foreign_reader_gets_the_whole_log_from_tiles() {
    let acme = Acme::start().await;
    for number in 0..320 {
        let agent = json!({ "id": format!("bot-{number}"), "owner": "team:ops" });
        acme.server.post(&acme.admin, "/v1/agents", &agent).await.good();
    }
    let get = async |path: &str| acme.server.get(&acme.admin, &format!("/v1/audit/log/{path}")).await;
    let folder = std::env::temp_dir().join(format!("countersign-tiles-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let note = get("checkpoint").await;
    assert_eq!(note.headers["content-type"], "text/plain; charset=utf-8");
    std::fs::write(folder.join("checkpoint"), &note.body).unwrap();
    let text = String::from_utf8(note.body).unwrap();
    let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
    let mut paths = vec![format!("1/000.p/{}", size / 256)];
    for kind in ["0", "entries"] {
        paths.extend((0..size / 256).map(|tile| format!("{kind}/{tile:03}")));
        paths.push(format!("{kind}/{:03}.p/{}", size / 256, size % 256));
    }
    for path in paths {
        let tile = get(&format!("tile/{path}")).await;
        assert_eq!(tile.status, 200, "{path}");
        let kept = if path.contains(".p/") {
            "no-store"
        } else {
            "private, max-age=31536000, immutable"
        };
        assert_eq!(tile.headers["cache-control"], kept, "{path}");
        assert_eq!(tile.headers["content-type"], "application/octet-stream");
        std::fs::write(folder.join(path.replace('/', "_")), tile.body).unwrap();
    }
    let read = || {
        let reader = Command::new("python3").args(["-c", READER]).arg(&folder).output();
        reader.unwrap()
    };
    let fine = read();
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stderr));
    each_changed_byte_is_found(&folder, || !read().status.success());
    std::fs::remove_dir_all(&folder).unwrap();

    // What is not there yet, and what is no path.
    let full = size / 256;
    for path in [
        format!("0/{full:03}"),
        format!("0/{full:03}.p/{}", size % 256 + 1),
        "2/000.p/1".into(),
    ] {
        assert_eq!(get(&format!("tile/{path}")).await.problem(404), "not_found", "{path}");
    }
    for path in ["0/0", "x/000", "entries/000.p/256", "0/x000/000"] {
        assert_eq!(get(&format!("tile/{path}")).await.problem(404), "not_found", "{path}");
    }
    let agents = acme.server.get(&acme.agent, "/v1/audit/log/tile/0/000").await;
    assert_eq!(agents.problem(403), "forbidden");
    let reviewers = acme.server.get(&acme.lead, "/v1/audit/log/checkpoint").await;
    assert_eq!(reviewers.problem(403), "forbidden");
}

#[tokio::test]
async fn only_the_operator_at_the_machine_says_which_programs_a_ledger_is_for() {
    let acme = Acme::start().await;
    for key in [&acme.admin, &acme.agent] {
        assert_eq!(acme.server.get(key, "/v1/readers/acme").await.problem(403), "forbidden");
        let raised = acme.server.post(key, "/v1/readers/acme", &json!({})).await;
        assert_eq!(raised.problem(403), "forbidden");
    }
    let before = acme.server.get(TOKEN, "/v1/readers/acme").await.good();
    assert_eq!(before, json!({ "least": 1, "own": countersign_core::reader::READER }));
    // A ledger that is for this program already is left as it is.
    let size = async || acme.server.get(&acme.admin, "/v1/audit/checkpoint").await.good()["checkpoint"].clone();
    let checkpoint = size().await;
    let raised = acme.server.post(TOKEN, "/v1/readers/acme", &json!({})).await.good();
    assert_eq!(raised, before);
    assert_eq!(size().await, checkpoint);
    assert_eq!(
        acme.server.get(TOKEN, "/v1/readers/other").await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn only_the_operator_at_the_machine_opens_epochs_and_rotates_keys() {
    let acme = Acme::start().await;
    let why = json!({ "why": "the key was seen elsewhere" });
    for key in [&acme.admin, &acme.agent] {
        assert_eq!(
            acme.server.post(key, "/v1/epochs/acme", &why).await.problem(403),
            "forbidden"
        );
        assert_eq!(
            acme.server
                .post(key, "/v1/log-keys/acme", &json!({}))
                .await
                .problem(403),
            "forbidden"
        );
    }
    let opened = acme.server.post(TOKEN, "/v1/epochs/acme", &why).await.good();
    assert_eq!((opened["epoch"].as_u64(), opened["mark"].is_null()), (Some(2), true));
    assert_eq!(
        acme.server.post(TOKEN, "/v1/epochs/other", &why).await.problem(404),
        "not_found"
    );
    let rotated = acme.server.post(TOKEN, "/v1/log-keys/acme", &json!({})).await.good();
    let path = "/.well-known/countersign-log.json?organization=acme";
    let keys = acme.server.send("GET", path, &[], None).await.good();
    assert_eq!(keys["logs"][0]["vkey"], rotated["vkey"]);
    assert_eq!(keys["logs"][0]["earlier"].as_array().unwrap().len(), 2);
    assert_eq!(keys["logs"][0]["origin"], opened["origin"]);
}
