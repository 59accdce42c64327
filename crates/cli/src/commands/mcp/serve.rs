//! `countersign mcp serve`: a gateway over HTTP in front of many servers of tools.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use countersign_gateway::serve::{self, Options, Own, Upstream, Way};
use countersign_gateway::{Broker, Need, Place};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::server_name;
use super::tokens::Tokens;
use crate::console::{note, say};
use crate::failure::{Failure, Result};
use crate::governing::{Deciding, GatewayKey};
use crate::span::span;

#[derive(Args)]
pub(super) struct Serve {
    /// A file with the servers of tools, as clients of MCP have them: {"mcpServers": {NAME: {"command": …} or {"url": …}}}
    #[arg(long, value_name = "FILE")]
    servers: PathBuf,
    /// Where to listen; each server is at /mcp/NAME
    #[arg(long, default_value = "127.0.0.1:8787", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where clients reach the gateway, if a proxy with TLS is in front of it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// An origin whose pages may use the gateway; without any, no page may
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// How long a call is held for people before the agent is told to come back, such as `45s`
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    /// Record how tools look before agents see them; one that looks otherwise later is denied until it is approved. The
    /// gateway's key is then one of a person with the role `operator`
    #[arg(long, conflicts_with = "observe")]
    pin: bool,
    /// Do not show an agent tools that policy denies to it whatever it says
    #[arg(long, conflicts_with = "observe")]
    hide_denied: bool,
    /// Where a client can, lead its user to the page where people decide: for a gateway whose users may be among them
    #[arg(long, conflicts_with = "observe")]
    elicit: bool,
    /// Only look on: note what would be decided, and let everything run. Who calls still has to prove it
    #[arg(long)]
    observe: bool,
    #[command(flatten)]
    tokens: Tokens,
    #[command(flatten)]
    deciding: Deciding,
    #[command(flatten)]
    gateway: GatewayKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `stdio` or `http`; what clients write and what the rest says anyway.
    #[serde(rename = "type")]
    _kind: Option<String>,
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    credential: Option<Wanted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    variable: Option<String>,
    header: Option<String>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let upstreams = read(&self.servers)?;
        let decides = self.deciding.address()?;
        let broker = self.gateway.client(&decides)?.map(Broker::new);
        if broker.is_none()
            && let Some((name, _)) = upstreams.iter().find(|(_, upstream)| upstream.need.is_some())
        {
            let what = format!("server `{name}` is reached with a credential, which takes a gateway's key");
            return Err(Failure::usage(what).next("set COUNTERSIGN_GATEWAY_KEY, or give --gateway-key FILE"));
        }
        if self.observe
            && let Some((name, _)) = upstreams.iter().find(|(_, upstream)| upstream.need.is_some())
        {
            let what = format!("server `{name}` is reached with a credential, which is given out for what is decided");
            return Err(Failure::usage(what).next("leave its `credential` out while you look on with `--observe`"));
        }
        let behind_tls = self
            .public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"));
        let client = self.gateway.client(&decides)?;
        if self.pin && client.is_none() {
            return Err(Failure::usage("recording how tools look takes a gateway's key")
                .next("set COUNTERSIGN_GATEWAY_KEY, or give --gateway-key FILE"));
        }
        let own = Own {
            broker,
            pinning: client.clone().filter(|_| self.pin),
            bearing: self.tokens.bearing(client)?,
        };
        let state = self.deciding.state_folder()?;
        if self.observe {
            note(format_args!(
                "countersign only looks on: nothing is enforced; what would be decided is noted in files `observed.jsonl` \
                 below {}",
                state.display()
            ));
        }
        if !self.listen.ip().is_loopback() && !behind_tls {
            let what = format!("keys would pass {} in the clear", self.listen);
            return Err(Failure::usage(what).next(
                "listen on 127.0.0.1, or put a proxy with TLS in front of it and name that with --public-url https://HOST",
            ));
        }
        let listener = TcpListener::bind(self.listen).await;
        let unbound =
            |error: std::io::Error| Failure::unreachable(format!("cannot listen on {}: {error}", self.listen));
        let listener = listener.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let public = self.public_url.unwrap_or_else(|| format!("http://{address}"));
        let names: Vec<String> = upstreams.keys().map(|name| format!("/mcp/{name}")).collect();
        say(format_args!(
            "countersign mcp serves at {public} ({})",
            names.join(", ")
        ));
        let options = Options {
            upstreams,
            public: public.trim_end_matches('/').to_owned(),
            origins: self.origins,
            env: self.deciding.env.clone(),
            hold: self.hold,
            hide: self.hide_denied,
            elicit: self.elicit,
            observe: self.observe,
            state,
            decides,
        };
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        let mut terminate = terminate.map_err(|error| Failure::unreachable(format!("no signals: {error}")))?;
        let stopped = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let served = serve::serve(listener, options, own, stopped).await;
        served.map_err(|error| Failure::unreachable(format!("the gateway ended: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Upstream>> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
    let file: File = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("`{}` does not hold servers: {error}", path.display())))?;
    let mut upstreams = BTreeMap::new();
    for (name, entry) in file.servers {
        server_name(&name)?;
        let wrong = |why: &str| Failure::usage(format!("server `{name}`: {why}"));
        let way = match (entry.command, entry.url) {
            (Some(program), None) => Way::Command {
                program,
                arguments: entry.args,
                variables: entry.env,
            },
            (None, Some(url)) => Way::Http {
                url,
                headers: entry.headers,
            },
            (Some(_), Some(_)) | (None, None) => return Err(wrong("it has either `command` or `url`")),
        };
        let need = match entry.credential {
            None => None,
            Some(wanted) => Some(Need {
                place: match (&way, wanted.variable, wanted.header) {
                    (Way::Command { .. }, Some(variable), None) => Place::Variable(variable),
                    (Way::Http { .. }, None, header) => {
                        Place::Header(header.unwrap_or_else(|| "Authorization".to_owned()))
                    }
                    (Way::Command { .. }, _, _) => return Err(wrong("its credential goes into a `variable`")),
                    (Way::Http { .. }, Some(_), _) => return Err(wrong("its credential goes into a `header`")),
                },
                credential: wanted.name,
            }),
        };
        upstreams.insert(name, Upstream { way, need });
    }
    if upstreams.is_empty() {
        return Err(Failure::usage(format!("`{}` names no server", path.display())));
    }
    Ok(upstreams)
}
