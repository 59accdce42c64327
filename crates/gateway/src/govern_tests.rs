#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_client::Credential;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn governor(at: &str, folder: &Path) -> Governor {
    Governor::new(Client::new(at, &Credential::Nobody).unwrap(), folder)
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("countersign-govern-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn reads(path: &str) -> ActionBody {
    ActionBody {
        tool: Some("files/read".to_owned()),
        args: json!({ "path": path }).as_object().cloned(),
        ..ActionBody::default()
    }
}

#[tokio::test]
async fn a_look_that_the_server_does_not_let_in_ends_no_task() {
    let folder = folder("look");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer).await;
        }
    });
    let looked = governor(&at, &folder).look("act_1", None, &reads("a")).await;
    assert!(looked.is_none(), "{looked:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn who_only_looks_on_uses_no_permit_for_a_task_either() {
    let folder = folder("on");
    let governor = governor("http://127.0.0.1:1", &folder).observing(&folder);
    let looked = governor.look("act_1", None, &reads("a")).await;
    assert!(
        matches!(&looked, Some(Ruling::Go(go)) if go.id.is_empty() && go.permit.is_empty()),
        "{looked:?}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_later_round_goes_on_only_where_it_leads_as_before() {
    let folder = folder("round");
    let root = folder.join("countersign/keys");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("secret"), "of a person").unwrap();
    let link = folder.join("letter");
    std::fs::write(&link, "mine").unwrap();
    let governor = governor("http://127.0.0.1:1", &folder).guarding(Guarded::new(&root));
    let action = reads(&link.display().to_string());
    let mut go = Go {
        id: "act_1".to_owned(),
        changed: None,
        timeout: None,
        permit: String::new(),
        decision: Value::Null,
        labels: None,
        outputs: Default::default(),
        tool: None,
    };
    assert!(governor.leads_as_before(&go, &action).await);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(root.join("secret"), &link).unwrap();
    assert!(!governor.leads_as_before(&go, &action).await);
    // What runs counts, not what was asked for.
    go.changed = Some(("files/read".to_owned(), action.args.clone().unwrap()));
    assert!(!governor.leads_as_before(&go, &reads("elsewhere")).await);
    go.labels = Some(Map::from_iter([(LABEL.to_owned(), "there".into())]));
    assert!(governor.leads_as_before(&go, &action).await);
    std::fs::remove_dir_all(folder).unwrap();
}
