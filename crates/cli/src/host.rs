//! A server of our own, on a loopback port, for as long as one command needs it.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_engine::Settings;
use countersign_server::ServerSettings;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::{Failure, Result};
use crate::instance::Instance;
use crate::local::Local;
use crate::place::Hold;

/// The server.
pub(crate) struct Hosted {
    /// Where it is, and the token that it takes.
    pub(crate) local: Local,
    /// The engine and the lock.
    pub(crate) instance: Instance,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Hosted {
    /// Starts it over what this process holds.
    pub(crate) async fn start(hold: Hold) -> Result<Hosted> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let settings = Settings {
            base_url: format!("http://{}", address(&listener)?),
            ..Settings::default()
        };
        Hosted::serve(Instance::of(hold, settings)?, listener)
    }

    /// Serves an instance at a loopback listener.
    pub(crate) fn serve(instance: Instance, listener: TcpListener) -> Result<Hosted> {
        let local = Local::new(&format!("http://{}", address(&listener)?))?;
        let server = ServerSettings {
            local_token: Some(local.token.clone()),
            ..ServerSettings::default()
        };
        let router = countersign_server::router(instance.engine.clone(), server);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // That the other end is gone means the same as its word.
                let _ = stopped.await;
            };
            if let Err(error) = countersign_server::serve(listener, router, None, shutdown).await {
                tracing::error!(%error, "the local server failed");
            }
        });
        Ok(Hosted {
            local,
            instance,
            stop,
            task,
        })
    }

    /// Ends it and gives the folder back.
    pub(crate) async fn stop(self) {
        // The task may have ended by itself; then there is nothing to stop.
        let _ = self.stop.send(());
        let _ = self.task.await;
        self.instance.stop().await;
    }
}

/// A listener at `address`.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::unreachable(format!("cannot listen at {address}: {error}"))
            .next("choose another address with --listen, or stop what listens there")
    })
}

/// Where a listener listens.
pub(crate) fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|error| Failure::unreachable(format!("a listener has no address: {error}")))
}
