//! `countersign hook serve`: hooks of coding agents over HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use countersign_gateway::hook::served::{Serving, serve};
use tokio::net::TcpListener;

use crate::console::{note, say};
use crate::failure::{Failure, Result};
use crate::governing::Deciding;
use crate::span::span;

#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen; each host asks at /v1/hooks/HOST
    #[arg(long, default_value = "127.0.0.1:8788", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where hosts reach it, if a proxy with TLS is in front of it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How long people may take before the agent is told to come back
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    /// Only look on: note what would be decided, and let everything run
    #[arg(long)]
    observe: bool,
    #[command(flatten)]
    deciding: Deciding,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let behind_tls = self
            .public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"));
        if !self.listen.ip().is_loopback() && !behind_tls {
            let what = format!("keys would pass {} in the clear", self.listen);
            return Err(Failure::usage(what).next(
                "listen on 127.0.0.1, or put a proxy with TLS in front of it and name that with --public-url https://HOST",
            ));
        }
        let unbound =
            |error: std::io::Error| Failure::unreachable(format!("cannot listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(self.listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let public = self.public_url.unwrap_or_else(|| format!("http://{address}"));
        say(format_args!(
            "countersign hook serves at {}/v1/hooks/HOST",
            public.trim_end_matches('/')
        ));
        if self.observe {
            note("countersign only looks on: nothing is enforced");
        }
        let serving = Serving {
            decides: self.deciding.address()?,
            state: self.deciding.state_folder()?,
            env: self.deciding.env,
            hold: self.hold,
            observe: self.observe,
        };
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        let mut terminate = terminate.map_err(|error| Failure::unreachable(format!("no signals: {error}")))?;
        let stopped = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let served = serve(listener, serving, stopped).await;
        served.map_err(|error| Failure::unreachable(format!("the hooks ended: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }
}
