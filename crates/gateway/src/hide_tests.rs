#![expect(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;

use super::*;

fn hidden(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The list of these tools, written as somebody might by hand.
fn list(tools: &[&str]) -> String {
    let tool = |name: &&str| format!("{{ \"name\" : \"{name}\",  \"inputSchema\":{{\"a\": [1, 2]}} }}");
    let tools: Vec<String> = tools.iter().map(tool).collect();
    format!(
        "{{\"id\" :7,\"result\": {{\"tools\": [ {} ], \"nextCursor\":\"c\\u00e9\", \"x\":1.50}},\"jsonrpc\":\"2.0\"}}\n",
        tools.join(" , ")
    )
}

#[test]
fn every_tool_that_is_hidden_goes_and_every_other_byte_of_a_list_stays() {
    let names = ["a", "b", "c", "d"];
    for bits in 0..16_u8 {
        let gone = |at: usize| bits >> at & 1 == 1;
        let pick = |which: bool| -> Vec<&str> {
            let all = names.iter().enumerate();
            all.filter(|(at, _)| gone(*at) == which)
                .map(|(_, name)| *name)
                .collect()
        };
        let filtered = without(list(&names).as_bytes(), &hidden(&pick(true))).unwrap();
        assert_eq!(String::from_utf8(filtered).unwrap(), list(&pick(false)), "{bits:04b}");
    }
}

#[test]
fn a_list_that_depends_on_the_agent_says_so_where_its_era_does() {
    let line = r#"{"id":1,"result":{"cacheScope":"public","tools":[{"name":"a"},{"name":"b"}],"ttlMs":60000}}"#;
    let filtered = without(line.as_bytes(), &hidden(&["a"])).unwrap();
    assert_eq!(
        String::from_utf8(filtered).unwrap(),
        r#"{"id":1,"result":{"cacheScope":"private","tools":[{"name":"b"}],"ttlMs":0}}"#
    );
    let untouched = r#"{"id":1,"result":{"tools":[{"name":"a"}]}}"#;
    assert_eq!(
        without(untouched.as_bytes(), &hidden(&[])).unwrap(),
        untouched.as_bytes()
    );
}

#[test]
fn what_is_no_list_stays_as_it_is() {
    for line in [
        r#"{"id":1,"result":{"content":[]}}"#,
        r#"{"id":1,"error":{"code":-32601,"message":"no"}}"#,
        r#"{"id":1,"result":{"tools":{"name":"a"}}}"#,
        "nothing",
    ] {
        assert_eq!(names(line.as_bytes()), None, "{line}");
        assert_eq!(without(line.as_bytes(), &hidden(&["a"])), None, "{line}");
    }
    let odd: Value = serde_json::from_str(r#"{"id":1,"result":{"tools":[{"title":"no name"},7]}}"#).unwrap();
    assert_eq!(names(odd.to_string().as_bytes()), Some(BTreeSet::new()));
}
