//! The graph of our crates, and what the packages that we build on are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::run::{Failed, output};

/// The layer of each crate: arrows point to a lower layer only.
const LAYERS: &[(&str, u8)] = &[
    ("tlog", 0),
    ("policy", 0),
    ("core", 1),
    ("api", 2),
    ("store", 2),
    ("notify", 2),
    ("oidc", 2),
    ("store-postgres", 3),
    ("store-sqlite", 3),
    ("engine", 3),
    ("export", 3),
    ("server", 4),
    ("console", 4),
    ("client", 4),
    ("gateway", 5),
    ("cli", 6),
    ("testkit", 9),
    ("testkit-postgres", 9),
    ("xtask", 9),
    ("bench", 9),
];

/// Licences that packages may be under.
const LICENCES: [&str; 14] = [
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "Apache-2.0 WITH LLVM-exception",
];

/// Packages that must not be in the product, and why.
const BANNED: [(&str, &str); 4] = [
    ("aws-lc-sys", "a hundred seconds of C; ring does the same"),
    ("openssl-sys", "rustls does the same without a system library"),
    ("serde_yaml", "archived; policy reads YAML with spans"),
    ("native-tls", "rustls does the same without a system library"),
];

/// Packages that ours must not be built on directly, and why. `object_store` brings chrono.
const NOT_OURS: [(&str, &str); 1] = [("chrono", "jiff")];

/// What `cargo metadata` says.
pub struct Graph {
    /// Our crates, each with the ones of ours that it is built on.
    pub crates: BTreeMap<String, BTreeSet<String>>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Reads the graph and holds it against the rules.
pub fn read() -> Result<Graph, Failed> {
    let text = output("cargo", &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| Failed(error.to_string()))?;
    let mut graph = Graph {
        crates: BTreeMap::new(),
        problems: Vec::new(),
    };
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if package["source"].is_null() {
            let short = name.strip_prefix("countersign-").unwrap_or(name).to_owned();
            own(&short, package, &mut graph.problems);
            graph.crates.insert(short, normal_dependencies(package));
        } else {
            outside(name, package, &mut graph.problems);
        }
    }
    for (from, to) in &graph.crates {
        for to in to {
            match (layer(from), layer(to)) {
                (Some(from_layer), Some(to_layer)) if from_layer > to_layer => {}
                (Some(_), Some(_)) => graph
                    .problems
                    .push(format!("`{from}` may not be built on `{to}`: arrows point down")),
                _ => graph.problems.push(format!(
                    "`{from}` or `{to}` has no layer; give it one in xtask/src/graph.rs"
                )),
            }
        }
    }
    Ok(graph)
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

fn normal_dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let ours = dependencies.filter(|dependency| dependency["kind"].is_null() && !dependency["path"].is_null());
    ours.filter_map(|dependency| dependency["name"].as_str())
        .map(|name| name.strip_prefix("countersign-").unwrap_or(name).to_owned())
        .collect()
}

fn own(name: &str, package: &Value, problems: &mut Vec<String>) {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    for used in dependencies.filter_map(|dependency| dependency["name"].as_str()) {
        if let Some((_, instead)) = NOT_OURS.iter().find(|(banned, _)| *banned == used) {
            problems.push(format!("`{name}` is built on `{used}`: use {instead}"));
        }
    }
}

fn outside(name: &str, package: &Value, problems: &mut Vec<String>) {
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        problems.push(format!("package `{name}` is banned: {why}"));
    }
    if package["source"].as_str() != Some("registry+https://github.com/rust-lang/crates.io-index") {
        problems.push(format!("package `{name}` does not come from crates.io"));
    }
    let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
    let fine = licence.split(" OR ").any(|option| {
        let option = option.trim_matches(['(', ')', ' ']);
        LICENCES.contains(&option)
            || option
                .split(" AND ")
                .all(|part| LICENCES.contains(&part.trim_matches(['(', ')', ' '])))
    });
    if !fine {
        problems.push(format!(
            "package `{name}` is under `{licence}`, which is not on the list"
        ));
    }
}

/// The graph as text, for the golden file.
pub fn text(graph: &Graph) -> String {
    let line = |(from, to): (&String, &BTreeSet<String>)| {
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        format!("{from}: {}\n", to.join(" ")).replace(": \n", ":\n")
    };
    graph.crates.iter().map(line).collect()
}
