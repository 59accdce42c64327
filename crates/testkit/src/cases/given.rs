//! The world that a case begins in, and what an action says of others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_core::Command;
use countersign_core::event::AgentRegistered;
use countersign_policy::Value;

use super::{Run, list, plain, strs, text};

impl Run {
    pub(super) fn given(&mut self, given: &Value) {
        for person in list(given.get("people")) {
            self.person(&person);
        }
        for agent in list(given.get("agents")) {
            let agent = AgentRegistered {
                agent: text(&agent, "id"),
                labels: BTreeMap::new(),
                owner: text(&agent, "owner"),
                team: agent.get("team").map(plain),
            };
            self.world.done(Command::RegisterAgent(Box::new(agent), None));
        }
        for url in list(given.get("receivers")) {
            self.world.done(Command::RegisterReceiver { url: plain(&url) });
        }
        if let Some(Value::Map(files)) = given.get("policy") {
            self.policy(files);
        }
        if let Some(name) = given.get("example") {
            self.example(&plain(name));
        }
    }

    /// Makes the policies of an example live.
    fn example(&mut self, name: &str) {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"))
            .join(name)
            .join("policies");
        let entries = std::fs::read_dir(&folder).expect("a folder of policies").flatten();
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a policy"))
        };
        let files: Vec<(String, String)> = entries.map(|entry| read(entry.path())).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
        self.world.policy(&files);
    }

    pub(super) fn person(&mut self, person: &Value) {
        let words = |name: &str| list(person.get(name)).iter().map(plain).collect::<Vec<_>>();
        let (roles, teams, duties) = (words("roles"), words("teams"), words("duties"));
        self.world.user_below(
            person.get("manager").map(plain),
            &text(person, "id"),
            &strs(&roles),
            &strs(&teams),
            &strs(&duties),
        );
    }

    pub(super) fn policy(&mut self, files: &BTreeMap<String, Value>) {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(name, text)| (format!("{name}.yaml"), plain(text)))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        self.world.policy(&files);
    }

    /// Puts the ids of actions in the place of their names in a chain of agents: `{ agent: a, action: NAME }`.
    pub(super) fn prove(&self, action: &mut BTreeMap<String, Value>) {
        let Some(Value::List(chain)) = action.get_mut("delegation") else {
            return;
        };
        for link in chain {
            let Value::Map(link) = link else { continue };
            let id = link.get("action").and_then(|name| self.named.get(&plain(name)));
            if let Some(id) = id {
                link.insert("action".to_owned(), Value::from(id.to_string().as_str()));
            }
        }
    }
}
