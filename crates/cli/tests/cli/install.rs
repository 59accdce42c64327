//! The wrapper and the hook in the configurations of clients: in with one command, out with one.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::mcp::Shop;
use crate::scene::Ran;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop_table","arguments":{}}}"#;

/// A shop whose agent has its key in a file, and a home for the client.
fn at_home() -> Shop {
    let shop = Shop::open();
    shop.scene.write("agent.key", &shop.agent);
    std::fs::create_dir_all(shop.scene.path("home")).expect("a home");
    shop
}

fn run(shop: &Shop, arguments: &[&str]) -> Ran {
    let mut command = shop.scene.command(arguments);
    let output = command
        .env("HOME", shop.scene.path("home"))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// What a client gets that starts a program as configured, and sends this.
fn started(shop: &Shop, program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        // Nothing of this test's environment helps.
        .env_clear()
        .env("HOME", shop.scene.path("home"))
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the configured program starts");
    let mut to = child.stdin.take().expect("it is piped");
    writeln!(to, "{input}").expect("it reads");
    // A hook reads its question to the end; a server has an end when its client goes.
    let to = Some(to).filter(|_| program != "sh");
    let mut from = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut from, &mut line).expect("it answers");
    drop(to);
    child.wait().expect("it ends");
    line
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().expect("a list");
    words.iter().map(|word| word.as_str().expect("a text")).collect()
}

#[test]
fn a_client_that_is_installed_starts_its_servers_behind_the_wrapper_and_uninstalled_it_is_as_before() {
    let shop = at_home();
    for (client, place, key) in [
        ("claude", "project.json", "mcpServers"),
        (
            "claude-desktop",
            "home/.config/Claude/claude_desktop_config.json",
            "mcpServers",
        ),
        ("cursor", "home/.cursor/mcp.json", "mcpServers"),
        ("gemini", "home/.gemini/settings.json", "mcpServers"),
        ("vscode", "mcp.json", "servers"),
    ] {
        let before = format!(
            "{{\n  // mine\n  \"{key}\": {{\n    \"shop\": {{ \"command\": \"cat\", \"args\": [\"-u\"], \"env\": {{\"A\": \"b\"}} }},\n    \"far\": {{ \"url\": \"https://example.com\" }},\n  }}\n}}\n"
        );
        std::fs::create_dir_all(shop.scene.path(place).parent().expect("a folder")).expect("a folder");
        shop.scene.write(place, &before);
        let reach = ["--at", &shop.server.url, "--agent-key", "agent.key"];
        let mut arguments = vec!["mcp", "install", "--client", client, "--yes"];
        arguments.extend(reach);
        if !place.starts_with("home") {
            arguments.extend(["--config", place]);
        }
        let ran = run(&shop, &arguments);
        assert_eq!(ran.code, 0, "{client}: {}", ran.err);
        for told in [
            "shop: wrapped; its tools are `shop/TOOL` in policy",
            "far: left as it is: it is reached by an address",
            "-    \"shop\": { \"command\": \"cat\"",
            "kept what was there",
        ] {
            assert!(ran.out.contains(told), "{client}: {}", ran.out);
        }
        let text = shop.scene.read(place).replace("// mine", "").replace(",\n  }", "\n  }");
        let entry = serde_json::from_str::<Value>(&text).expect("JSON")[key]["shop"].clone();
        assert_eq!(entry["env"], json!({"A": "b"}));
        let program = entry["command"].as_str().expect("a program");
        let answer = started(&shop, program, &words(&entry["args"]), CALL);
        assert!(answer.contains("Denied by policy"), "{client}: {answer}");

        let installed = shop.scene.read(place);
        let again = run(&shop, &arguments);
        assert!(again.out.contains("nothing to change"), "{client}: {}", again.out);
        assert_eq!(shop.scene.read(place), installed);

        arguments.push("--uninstall");
        let ran = run(&shop, &arguments);
        assert_eq!(ran.code, 0, "{client}: {}", ran.err);
        assert_eq!(shop.scene.read(place), before, "{client}");
        assert!(!shop.scene.path(&format!("{place}.before-countersign")).exists());
    }
}

#[test]
fn codex_is_told_to_wait_as_long_as_people_may_take() {
    let shop = at_home();
    std::fs::create_dir_all(shop.scene.path("home/.codex")).expect("a folder");
    let place = "home/.codex/config.toml";
    shop.scene
        .write(place, "model = \"x\" # mine\n\n[mcp_servers.shop]\ncommand = \"cat\"\n");
    let reach = ["--at", &shop.server.url, "--agent-key", "agent.key"];
    let install = ["mcp", "install", "--client", "codex", "--yes", "--hold", "5m"];
    let ran = run(&shop, &[&install[..], &reach[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = shop.scene.read(place);
    assert!(
        text.contains("# mine") && text.contains("tool_timeout_sec = 315"),
        "{text}"
    );
}

#[test]
fn what_was_there_is_kept_until_everything_of_ours_is_out_and_comes_back_to_the_byte() {
    let shop = at_home();
    let place = "home/.gemini/settings.json";
    let kept = format!("{place}.before-countersign");
    let before = "{ // mine\n  \"mcpServers\": {\"a\": {\"command\": \"cat\"}, \"b\": {\"command\": \"cat\", \"timeout\": 7}}\n}\n";
    std::fs::create_dir_all(shop.scene.path("home/.gemini")).expect("a folder");
    shop.scene.write(place, before);
    let reach = ["--at", &shop.server.url, "--agent-key", "agent.key"];
    let change = |words: &[&str]| {
        let ran = run(&shop, &[words, &["--client", "gemini", "--yes"], &reach[..]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
    };
    let install = ["mcp", "install", "--hold", "20m"];
    change(&install);
    change(&["hook", "install"]);
    assert_eq!(shop.scene.read(place).matches("1215000").count(), 2);
    change(&["hook", "install", "--uninstall"]);
    assert_eq!(shop.scene.read(&kept), before);
    change(&["mcp", "install", "--uninstall", "--server", "a"]);
    assert_eq!(shop.scene.read(&kept), before);
    change(&["mcp", "install", "--uninstall"]);
    assert_eq!(shop.scene.read(place), before);
    assert!(!shop.scene.path(&kept).exists());
    // What somebody changed meanwhile stays, and so does what was there before; the next time begins with what is there.
    change(&install);
    let changed = shop.scene.read(place).replace("// mine", "\"theme\": \"dark\",");
    shop.scene.write(place, &changed);
    change(&["mcp", "install", "--uninstall"]);
    assert_eq!(shop.scene.read(&kept), before);
    let without = shop.scene.read(place);
    assert!(without.contains("dark") && !without.contains("1215000"), "{without}");
    change(&install);
    assert_eq!(shop.scene.read(&kept), without);
}

#[test]
fn nothing_is_written_unless_somebody_agreed() {
    let shop = at_home();
    let before = r#"{"mcpServers": {"shop": {"command": "cat"}}}"#;
    shop.scene.write("mcp.json", before);
    let arguments = [
        "mcp",
        "install",
        "--client",
        "claude",
        "--config",
        "mcp.json",
        "--at",
        "http://127.0.0.1:1",
        "--agent-key",
        "agent.key",
    ];
    let ran = run(&shop, &arguments);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(
        ran.err.contains("nobody is there to agree") && ran.out.contains("+"),
        "{}",
        ran.err
    );
    let ran = run(&shop, &[&arguments[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(shop.scene.read("mcp.json"), before);
    for (text, why) in [("{", "it is not JSON"), ("{}", "there is no object `mcpServers`")] {
        shop.scene.write("mcp.json", text);
        let ran = run(&shop, &[&arguments[..], &["--yes"]].concat());
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(why) && ran.err.contains("→"), "{}", ran.err);
        assert_eq!(shop.scene.read("mcp.json"), text);
    }
}

#[test]
fn a_coding_agent_that_is_installed_asks_the_hook_and_uninstalled_it_does_not() {
    let shop = at_home();
    for (client, place, pointer) in [
        ("claude", ".claude/settings.json", "/hooks/PreToolUse/0/hooks/0/command"),
        ("codex", "home/.codex/hooks.json", "/hooks/PreToolUse/0/hooks/0/command"),
        ("copilot", ".github/hooks/countersign.json", "/hooks/preToolUse/0/bash"),
        ("cursor", ".cursor/hooks.json", "/hooks/preToolUse/0/command"),
        (
            "gemini",
            "home/.gemini/settings.json",
            "/hooks/BeforeTool/0/hooks/0/command",
        ),
    ] {
        let reach = ["--at", &shop.server.url, "--agent-key", "agent.key"];
        let install = [&["hook", "install", "--client", client, "--yes"], &reach[..]].concat();
        let ran = run(&shop, &install);
        assert_eq!(ran.code, 0, "{client}: {}", ran.err);
        let settings: Value = serde_json::from_str(&shop.scene.read(place)).expect("JSON");
        let line = settings.pointer(pointer).and_then(Value::as_str).expect(client);
        // Each host asks in its own shape; what none of them asks is denied in the shape of this one.
        let answer = started(&shop, "sh", &["-c", line], "no question");
        assert!(answer.contains("deny"), "{client}: {answer}");

        assert!(run(&shop, &install).out.contains("nothing to change"), "{client}");
        let ran = run(&shop, &[&install[..], &["--uninstall"]].concat());
        assert_eq!(ran.code, 0, "{client}: {}", ran.err);
        assert!(!shop.scene.path(place).exists(), "{client}: it was not there before");
    }
    let mine = "{\n  \"hooks\": {\"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [{\"command\": \"lint\"}]}]}\n}\n";
    shop.scene.write(".claude/settings.json", mine);
    let install = ["hook", "install", "--client", "claude", "--yes"];
    let reach = ["--at", &shop.server.url, "--agent-key", "agent.key"];
    run(&shop, &[&install[..], &reach[..]].concat());
    assert_eq!(
        shop.scene
            .read(".claude/settings.json")
            .matches("hook --dialect claude")
            .count(),
        3
    );
    run(&shop, &[&install[..], &["--uninstall"]].concat());
    assert_eq!(shop.scene.read(".claude/settings.json"), mine);
}
