//! `countersign policy shadow`, `canary`, `promote`, `withdraw`, `status`: a policy that is tried beside the live one.

use clap::{Args, ValueEnum};
use countersign_api::candidates::{CanaryAnswer, CandidateAnswer, SaidCounts, ShareOfWord, TryingAnswer};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table, visible};
use crate::failure::Result;

#[derive(Args)]
pub(crate) struct Shadow {
    /// The snapshot, sha256:…
    hash: String,
    /// Why it is tried
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(crate) struct Canary {
    /// The snapshot, sha256:…
    hash: String,
    /// For how many it decides, such as 5% or 0.5%
    #[arg(long, value_parser = permille, value_name = "PERCENT")]
    share: u64,
    /// Of what
    #[arg(long, value_enum, default_value = "agents")]
    of: Of,
    /// Why it is tried
    #[arg(long)]
    reason: String,
    /// From how many decisions on it is taken back by itself
    #[arg(long, default_value_t = 20)]
    after: u64,
    /// Take it back where it denies so many more or fewer of the same actions
    #[arg(long, value_parser = permille, default_value = "5%", value_name = "PERCENT")]
    denied: u64,
    /// Take it back where it asks people about so many more or fewer
    #[arg(long, value_parser = permille, default_value = "10%", value_name = "PERCENT")]
    asked: u64,
    /// Take it back where so many more cannot be evaluated
    #[arg(long, value_parser = permille, default_value = "0%", value_name = "PERCENT")]
    errors: u64,
    #[command(flatten)]
    connection: Connection,
}

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Of {
    /// Agents
    Agents,
    /// Runs; what belongs to none goes by its agent
    Runs,
}

#[derive(Args)]
pub(crate) struct Promote {
    /// What is tried, sha256:…; nothing happens where another one has taken its place
    hash: Option<String>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(crate) struct Why {
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    connection: Connection,
}

/// A share in percent as thousandths.
fn permille(text: &str) -> std::result::Result<u64, String> {
    let wrong = || format!("`{text}` is not a share such as 5% or 0.5%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(tenth) || tenth.len() > 1 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let tenth: u64 = tenth.parse().map_err(|_| wrong())?;
    Some(whole.saturating_mul(10).saturating_add(tenth))
        .filter(|permille| *permille <= 1000)
        .ok_or_else(|| format!("`{text}` is more than 100%"))
}

impl Shadow {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let path = format!("/v1/policies/{}/shadow", segment(&self.hash));
        post(&self.connection, &path, json!({ "rationale": self.reason }), console).await
    }
}

impl Canary {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let of = match self.of {
            Of::Agents => "agents",
            Of::Runs => "runs",
        };
        let body = json!({
            "share_permille": self.share, "of": of, "rationale": self.reason,
            "bands": {
                "after": self.after, "denied_permille": self.denied, "asked_permille": self.asked,
                "erred_permille": self.errors,
            },
        });
        let path = format!("/v1/policies/{}/canary", segment(&self.hash));
        post(&self.connection, &path, body, console).await
    }
}

impl Promote {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = match self.hash {
            Some(hash) => json!({ "snapshot": hash, "rationale": self.reason }),
            None => json!({ "rationale": self.reason }),
        };
        post(&self.connection, "/v1/policies:promote", body, console).await
    }
}

impl Why {
    pub(super) async fn withdraw(self, console: &Console) -> Result<()> {
        let body = json!({ "rationale": self.reason });
        post(&self.connection, "/v1/policies:withdraw", body, console).await
    }
}

impl Status {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let read = async |session: &Session| Ok(session.client.get::<TryingAnswer>("/v1/policies:candidate").await?);
        let answer = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(answer), text(&answer));
        Ok(())
    }
}

async fn post(connection: &Connection, path: &str, body: Value, console: &Console) -> Result<()> {
    let call = async |session: &Session| Ok(session.client.post::<TryingAnswer>(path, &body).await?);
    let answer = connection.with(About::Organization, call).await?;
    console.answer(&json!(answer), text(&answer));
    Ok(())
}

fn text(answer: &TryingAnswer) -> String {
    let mut lines = vec![super::live_or_pending(&json!(answer))];
    match &answer.candidate {
        None => lines.push("tried: nothing".to_owned()),
        Some(candidate) => lines.push(tried(candidate)),
    }
    lines.join("\n")
}

/// For whom a canary decides, and how far it may go.
pub(super) fn share(canary: &CanaryAnswer) -> String {
    let percent = |permille: u32| format!("{}.{}%", permille / 10, permille % 10);
    format!(
        "it decides for {} of the {}, and is taken back where, from {} decisions on, it denies {} or asks about {} more or \
         fewer, or cannot evaluate {} more",
        percent(canary.share_permille),
        match canary.of {
            ShareOfWord::Agents => "agents",
            ShareOfWord::Runs => "runs",
        },
        canary.bands.after,
        percent(canary.bands.denied_permille),
        percent(canary.bands.asked_permille),
        percent(canary.bands.erred_permille),
    )
}

fn tried(candidate: &CandidateAnswer) -> String {
    let how = match &candidate.canary {
        None => "in the shadow: it decides nothing".to_owned(),
        Some(canary) => format!("as a canary: {}", share(canary)),
    };
    let counts = |name: &str, said: &SaidCounts| {
        let counts = [said.denied, said.asked, said.erred].map(|count| count.to_string());
        std::iter::once(name.to_owned()).chain(counts).collect::<Vec<_>>()
    };
    let mut text = format!(
        "tried: {} {how}, since {} by {}\nactions of which both said something: {}\n{}",
        candidate.hash,
        candidate.since,
        visible(&candidate.by),
        candidate.decisions,
        table(
            &["POLICY", "DENIES", "ASKS", "ERRORS"],
            &[
                counts("candidate", &candidate.candidate),
                counts("live", &candidate.live)
            ]
        )
    );
    for (flip, count) in &candidate.flips {
        text.push_str(&format!("\n{flip}: {count}"));
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails loudly")]
mod tests {
    use serde_json::json;

    use super::permille;

    #[test]
    fn what_people_agree_to_is_shown_with_its_share_its_bands_and_the_name_of_the_proposal() {
        let id = "prp_0198f2c4a1b27c3d8e4f5a6b7c8d9e0f";
        let waits = |canary: serde_json::Value| {
            let mut pending =
                json!({ "hash": "sha256:00", "id": id, "by": "ada", "quorum": 1, "approvers": ["team:ops"] });
            pending["canary"] = canary;
            pending.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            super::super::pending(&json!({ "pending": pending })).join("\n")
        };
        let bands = json!({ "after": 20, "asked_permille": 100, "denied_permille": 50, "erred_permille": 0 });
        let small = waits(json!({ "bands": bands, "of": "agents", "share_permille": 1 }));
        for part in ["0.1% of the agents", "20 decisions", "denies 5.0%", "about 10.0%", id] {
            assert!(small.contains(part), "{part}: {small}");
        }
        let all = waits(serde_json::Value::Null);
        assert!(
            all.contains("it becomes live for everybody") && all.contains(id),
            "{all}"
        );
    }

    #[test]
    fn a_share_is_written_in_percent() {
        for (text, wanted) in [("5%", 50), ("0.5%", 5), ("100%", 1000), ("0%", 0)] {
            assert_eq!(permille(text), Ok(wanted), "{text}");
        }
        for text in [
            "5",
            "",
            "%",
            "-1%",
            "100.1%",
            "0.25%",
            "1e2%",
            "101%",
            "99999999999999999999%",
        ] {
            assert!(permille(text).is_err(), "{text}");
        }
    }
}
