//! Official servers of MCP, over a pipe and over HTTP: used as without us where policy lets them be, and held where it does not.

use std::process::Command;

use serde_json::{Value, json};

use super::Gateway;
use crate::mcp::{Driver, Shop, clients, said, wrapped};
use crate::packages;

const MANDATE: &str = "
agent: assistant
owner: team:support
permissions:
  - tool: git/git_log
    allowed: true
  - tool: git/git_add
    allowed: false
  - tool: db/*
    allowed: true
escalate_when:
  - action == 'write_query'
";

fn git(shop: &Shop, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(shop.scene.path("repository"));
    for setting in ["user.name=a", "user.email=a@example.com", "init.defaultBranch=main"] {
        command.args(["-c", setting]);
    }
    let output = command.args(arguments).output().expect("git runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn call(name: &str, arguments: Value) -> Value {
    json!({ "do": "call", "name": name, "arguments": arguments })
}

/// What a client makes of a step, without what differs from one process to the next.
fn taken(driver: &mut Driver, step: &Value) -> Value {
    driver.begin(step);
    driver.result()
}

#[test]
fn official_servers_of_git_and_of_a_database_are_used_as_without_us_where_policy_lets_them_be() {
    let shop = Shop::open();
    shop.activate("p/mandate.yaml", MANDATE);
    let program = |name: &str, folder: &str, list: &str| {
        let python = packages::python(folder, list);
        python.with_file_name(name).display().to_string()
    };
    let for_git = program("mcp-server-git", "mcp-servers-2", "mcp/servers-2.txt");
    // It is kept up no more, and works with the library of the era before alone.
    let for_data = program("mcp-server-sqlite", "mcp-servers-1", "mcp/servers-1.txt");
    shop.scene.write("repository/note.txt", "kept");
    git(&shop, &["init", "--quiet"]);
    git(&shop, &["add", "note.txt"]);
    git(&shop, &["commit", "--quiet", "--message", "the first"]);
    shop.scene.write("repository/more.txt", "not added");
    let repository = shop.scene.path("repository").canonicalize().expect("a folder");
    let repository = repository.display().to_string();
    let database = shop.scene.path("shop.db").display().to_string();
    let of_git = vec![for_git, "--repository".to_owned(), repository.clone()];
    let of_data = vec![for_data, "--db-path".to_owned(), database];
    let gateway = Gateway::start(
        &shop,
        &json!({
            "git": { "command": of_git[0], "args": of_git[1..] }, "db": { "command": of_data[0], "args": of_data[1..] },
        }),
        &["--hold", "30s"],
    );
    let mut rows = 0;
    let two = ["Python 2", "TypeScript 1"];
    for (client, driver) in clients().into_iter().filter(|(name, _)| two.contains(name)) {
        let start = |command: &[String]| Driver::start(&shop, &driver, command);
        let over_http = |name: &str| vec![format!("{}/mcp/{name}", gateway.url)];
        let mut direct = start(&of_git);
        for (way, command) in [("a pipe", wrapped("30s", "git", &of_git)), ("HTTP", over_http("git"))] {
            let case = format!("{client} over {way}");
            let mut governed = start(&command);
            for step in [
                json!({ "do": "list" }),
                call("git_log", json!({ "repo_path": repository })),
            ] {
                assert_eq!(taken(&mut direct, &step), taken(&mut governed, &step), "{case}: {step}");
            }
            let denied = governed.call("git_add", json!({ "repo_path": repository, "files": ["more.txt"] }));
            assert!(said(&denied).starts_with("Denied by policy"), "{case}: {denied}");
            assert_eq!(git(&shop, &["status", "--porcelain"]), "?? more.txt\n", "{case}");
        }
        for (way, command) in [("a pipe", wrapped("30s", "db", &of_data)), ("HTTP", over_http("db"))] {
            let case = format!("{client} over {way}");
            let mut governed = start(&command);
            if rows == 0 {
                governed.call(
                    "create_table",
                    json!({ "query": "CREATE TABLE IF NOT EXISTS sold (what TEXT)" }),
                );
            }
            governed.begin(&call(
                "write_query",
                json!({ "query": format!("INSERT INTO sold VALUES ('{case}')") }),
            ));
            shop.approve_the_one();
            governed.result();
            rows += 1;
            let counted = governed.call("read_query", json!({ "query": "SELECT count(*) AS n FROM sold" }));
            assert_eq!(said(&counted), format!("[{{'n': {rows}}}]"), "{case}");
        }
    }
}
