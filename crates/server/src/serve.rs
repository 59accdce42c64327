//! Connections: accepted up to a bound, with TLS where there are keys, drained at the end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Peer;
use crate::linger::Lingering;

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS_AT_MOST: usize = 8192;
/// How long the headers of a request may take, and how long a connection may be idle between two.
const HEADER_TIME: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long requests in flight have at the end.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// What is kept of a connection's input at most: headers have to fit.
const BUFFER_BYTES: usize = 64 * 1024;

/// Certificate chain and private key, PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("`{path}`: {why}")]
pub struct TlsError {
    path: String,
    why: String,
}

impl TlsFiles {
    /// Reads the files. TLS 1.2 and 1.3.
    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let problem = |path: &PathBuf, why: String| TlsError {
            path: path.display().to_string(),
            why,
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| problem(&self.certificate, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| problem(&self.key, error.to_string()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| problem(&self.certificate, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Serves until `shutdown` resolves; then nothing more is accepted, and requests in flight have ten seconds.
///
/// # Errors
/// The TLS files cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsFiles>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let tls = tls
        .map(|files| files.acceptor())
        .transpose()
        .map_err(io::Error::other)?;
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_AT_MOST));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, address, held) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            (stream, address, held) = accept(&listener, &room) => (stream, address, held),
        };
        let connection = Connection {
            router: router.clone(),
            peer: Peer {
                address,
                tls: tls.is_some(),
            },
        };
        let (watcher, tls) = (graceful.watcher(), tls.clone());
        tokio::spawn(async move {
            let _held = held;
            match tls {
                None => connection.serve(stream, watcher).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
                        connection.serve(stream, watcher).await;
                    }
                }
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still in flight after ten seconds");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, std::net::SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there is always a permit to wait for.
    let held = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Without it answers wait for the client's next packet; that it fails harms nobody.
                let _ = stream.set_nodelay(true);
                return (stream, address, held);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: it takes others to end first.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

struct Connection {
    router: Router,
    peer: Peer,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let (peer, router) = (self.peer, TowerToHyperService::new(self.router));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let answering = router.call(request);
            async move {
                let answered: Result<Response<Body>, Infallible> = answering.await;
                answered
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(Lingering::new(stream)), service);
        // Clients hang up as they like; that is no event.
        let _ = watcher.watch(connection).await;
    }
}
