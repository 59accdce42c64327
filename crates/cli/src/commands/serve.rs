//! `countersign serve`: the server, until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_api::convert::page_url;
use countersign_core::Span;
use countersign_engine::{Engine, Settings};
use countersign_notify::{Allowlist, Sender};
use countersign_oidc::Provider;
use countersign_server::{FirstInvitation, Identity, ServerSettings, TlsFiles};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{self, Config, LogFormat};
use crate::console::{Console, note, say};
use crate::cosign::WitnessAt;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::host::{address, listen};
use crate::instance::{Instance, activate, organization};
use crate::local::{Local, random_token};
use crate::place::{self, Database, Place};
use crate::policies;
use crate::witnesses;

#[derive(Args)]
pub(crate) struct Serve {
    /// The data folder, made by `countersign init`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A database in place of a data folder: postgres://…; better given as COUNTERSIGN_DATABASE_URL. Needs --key-file
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    database_url: Option<String>,
    /// Where to listen; port 0 = any free one [default: 127.0.0.1:7878]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Keep the documents of this folder live: read at start and at SIGHUP
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Whose policies they are, where the data folder has several organizations
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A proxy in front does TLS; its X-Forwarded-For is believed. May be given several times
    #[arg(long, value_name = "CIDR")]
    behind_proxy: Vec<String>,
    /// Let callbacks go to exactly this target although it is not public. May be given several times
    #[arg(long, value_name = "HOST:PORT")]
    allow_callbacks_to: Vec<String>,
    /// Bring checkpoints to this witness: its address and the key that it shows at its start. May be given several times
    #[arg(long = "witness", value_name = "URL=VKEY")]
    witnesses: Vec<String>,
    /// How often, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    witness_interval: u64,
    /// Where clients reach this server, for links in answers
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The instance key, if it is not in the data folder
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
    /// Read settings from this file; the environment (COUNTERSIGN_…) and flags come over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How logs are written [default: text on a terminal, json elsewhere]
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7878);

impl Serve {
    /// The settings: file, environment, flags, the later over the earlier.
    fn settings(&self) -> Result<Config> {
        let mut config = config::load(self.config.as_deref(), &config::environment())?;
        let over = |slot: &mut Option<PathBuf>, flag: &Option<PathBuf>| {
            if flag.is_some() {
                slot.clone_from(flag);
            }
        };
        over(&mut config.data, &self.data);
        // A flag also says which of the two it is.
        if self.data.is_some() {
            config.database_url = None;
        }
        if let Some(url) = &self.database_url {
            config.database_url = Some(place::address(url)?);
            config.data = None;
        }
        over(&mut config.policies, &self.policies);
        over(&mut config.tls_cert, &self.tls_cert);
        over(&mut config.tls_key, &self.tls_key);
        over(&mut config.key_file, &self.key_file);
        over(&mut config.signer_state, &self.signer_state);
        config.listen = self.listen.or(config.listen);
        config.log_format = self.log_format.or(config.log_format);
        config.organization = self.org.clone().or(config.organization);
        config.base_url = self.base_url.clone().or(config.base_url);
        if !self.behind_proxy.is_empty() {
            config.behind_proxy.clone_from(&self.behind_proxy);
        }
        if !self.allow_callbacks_to.is_empty() {
            config.allow_callbacks_to.clone_from(&self.allow_callbacks_to);
        }
        if !self.witnesses.is_empty() {
            config.witnesses.clone_from(&self.witnesses);
        }
        match config.fault() {
            Some((what, help)) => Err(Failure::usage(what).next(help)),
            None => Ok(config),
        }
    }

    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let config = self.settings()?;
        start_log(config.log_format);
        let interval = std::time::Duration::from_secs(self.witness_interval);
        Server::start(config, interval, console).await?.run().await
    }
}

/// Logs to standard error. `COUNTERSIGN_LOG` chooses what is logged, `info` by default.
pub(super) fn start_log(format: Option<LogFormat>) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("COUNTERSIGN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let format = format.unwrap_or(if crate::console::is_watched() {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // It fails where a log is set up already, which is then good enough.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => log
            .with_ansi(crate::console::is_watched())
            .with_target(false)
            .try_init(),
    };
}

/// A server that is up.
struct Server {
    instance: Instance,
    signals: Signals,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
    callbacks: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    bringing: Option<JoinHandle<()>>,
    policies: Option<Watched>,
    // Removed when the server is dropped. A database is nobody's, so there is none.
    _local: Option<crate::local::LocalFile>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    confirm: Signal,
}

/// A folder of documents that is kept live.
struct Watched {
    folder: PathBuf,
    org: String,
}

impl Server {
    async fn start(config: Config, witness_interval: std::time::Duration, console: &Console) -> Result<Server> {
        // Signals first: one that comes during the start is not lost.
        let signals = Signals::new()?;
        let place = place(&config)?.with_signer_state(config.signer_state.as_deref())?;
        let callbacks = Allowlist::parse(config.allow_callbacks_to.iter().map(String::as_str))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let witnesses = config.witnesses.iter().map(|text| text.parse().map_err(Failure::usage));
        let witnesses: Vec<WitnessAt> = witnesses.collect::<Result<_>>()?;
        let networks = config.behind_proxy.iter().map(|text| text.parse());
        let behind_proxy = networks
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error: countersign_server::NetworkError| Failure::usage(error.to_string()))?;
        let identity = identity(&config)?;
        let hold = place.take()?;
        let folder = hold.folder().cloned();
        let listener = listen(config.listen.unwrap_or(LISTEN)).await?;
        let main = address(&listener)?;
        let tls = tls(&config);
        // Commands on this machine talk to a loopback address without TLS.
        let inner = if folder.is_some() && (tls.is_some() || !main.ip().is_loopback()) {
            Some(listen_inside().await?)
        } else {
            None
        };
        let inside = inner.as_ref().map_or(Ok(main), address)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let public = config.base_url.clone().unwrap_or_else(|| format!("{scheme}://{main}"));
        let sender = Sender::new().map_err(|error| Failure::unreachable(error.to_string()))?;
        let key_days = match config.key_days {
            Some(0) => None,
            Some(days) => Some(days),
            None => Settings::default().key_days,
        };
        let settings = Settings {
            base_url: public.clone(),
            callbacks,
            key_days,
            ..Settings::default()
        };
        let lifted: Vec<String> = settings.callbacks.targets().collect();
        let instance = Instance::of(hold, settings)?;
        let policies = watched(&config, &instance.engine).await?;
        if let Some(watched) = &policies {
            watched.take_up(&instance.engine).await?;
        }
        let local = match &folder {
            Some(_) => Some(Local::new(&format!("http://{inside}"))?),
            None => None,
        };
        if let (Some(lock), Some(folder), Some(local)) = (&instance.lock, &folder, &local) {
            lock.note_address(&local.address)
                .map_err(|error| Failure::io("note the address in", &folder.root, &error))?;
        }
        let first = first_invitation(&instance.engine).await?;
        let invitation = first.as_ref().map(|(_, url)| url.clone());
        let server = ServerSettings {
            first_invitation: first.map(|(first, _)| first),
            local_token: local.as_ref().map(|local| local.token.clone()),
            behind_proxy,
            identity,
            ..ServerSettings::default()
        };
        let api = countersign_server::router(instance.engine.clone(), server);
        let router = countersign_console::router(api);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![(listener, tls)];
        tasks.extend(inner.map(|listener| (listener, None)));
        let tasks = tasks.into_iter().map(|(listener, tls)| {
            let (router, mut stopped) = (router.clone(), stopped.clone());
            tokio::spawn(async move {
                let shutdown = async move {
                    // That the other end is gone means the same as its word.
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                countersign_server::serve(listener, router, tls, shutdown)
                    .await
                    .map_err(std::io::Error::other)
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let callbacks = tokio::spawn(instance.engine.clone().deliver_callbacks(sender));
        let housekeeping = tokio::spawn(instance.engine.clone().keep_house());
        let bringing = (!witnesses.is_empty())
            .then(|| tokio::spawn(witnesses::bring(instance.engine.clone(), witnesses, witness_interval)));
        let local = match (&folder, local) {
            (Some(folder), Some(local)) => Some(local.write(&folder.root)?),
            (Some(_) | None, Some(_) | None) => None,
        };
        announce(
            &format!("{scheme}://{main}"),
            &public,
            &lifted,
            invitation.as_deref(),
            console,
        );
        Ok(Server {
            instance,
            signals,
            stop,
            tasks,
            callbacks,
            housekeeping,
            bringing,
            policies,
            _local: local,
        })
    }

    async fn run(mut self) -> Result<()> {
        let failure = loop {
            tokio::select! {
                _ = self.signals.terminate.recv() => break None,
                _ = self.signals.interrupt.recv() => break None,
                _ = self.signals.hang_up.recv() => self.reload().await,
                _ = self.signals.confirm.recv() => {
                    tracing::warn!("an operator confirmed the clock");
                    self.instance.engine.confirm_clock();
                }
                ended = first(&mut self.tasks) => break Some(ended),
            }
        };
        tracing::info!("stopping: what is under way is finished first");
        // Receivers live as long as the tasks; without one there is nobody to tell.
        let _ = self.stop.send(true);
        // Who listens to news would keep its connection open for ever.
        self.instance.engine.end_listening();
        for task in self.tasks {
            // The first failure is the one that is told.
            let _ = task.await;
        }
        self.callbacks.abort();
        self.housekeeping.abort();
        self.bringing.iter().for_each(JoinHandle::abort);
        self.instance.stop().await;
        tracing::info!("stopped");
        failure.map_or(Ok(()), Err)
    }

    async fn reload(&self) {
        let Some(watched) = &self.policies else {
            tracing::warn!("SIGHUP re-reads policies, and no folder of policies is named: use --policies DIR");
            return;
        };
        match watched.take_up(&self.instance.engine).await {
            Ok((hash, true)) => {
                tracing::info!(snapshot = hash, folder = %watched.folder.display(), "policies were read again and are live")
            }
            Ok((hash, false)) => {
                tracing::warn!(snapshot = hash, folder = %watched.folder.display(), "policies were read again, and people have to agree before they are live")
            }
            Err(failure) => {
                tracing::error!(folder = %watched.folder.display(), "policies were not changed: {}", failure.what);
            }
        }
    }
}

/// Waits until one of the listeners ends by itself, which it should not.
async fn first(tasks: &mut Vec<JoinHandle<std::io::Result<()>>>) -> Failure {
    let ended = std::future::poll_fn(|cx| {
        for (at, task) in tasks.iter_mut().enumerate() {
            if let std::task::Poll::Ready(ended) = std::pin::Pin::new(task).poll(cx) {
                return std::task::Poll::Ready((at, ended));
            }
        }
        std::task::Poll::Pending
    });
    let (at, ended) = ended.await;
    drop(tasks.swap_remove(at));
    let why = match ended {
        Ok(Ok(())) => "it ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Failure::unreachable(format!("the server failed: {why}"))
}

impl Signals {
    fn new() -> Result<Signals> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| Failure::unreachable(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            confirm: listen(SignalKind::user_defined1())?,
        })
    }
}

impl Watched {
    /// Reads the folder, checks the documents, makes them live. Returns the snapshot's hash, and whether it is.
    async fn take_up(&self, engine: &Engine) -> Result<(String, bool)> {
        let files = policies::read(&self.folder)?;
        let checked = policies::check(&files);
        for warning in checked
            .problems
            .iter()
            .filter(|problem| problem.severity == countersign_policy::Severity::Warning)
        {
            let place = format!("{}:{}", self.folder.join(&warning.file).display(), warning.line);
            tracing::warn!(place, "{}", warning.message);
        }
        if let Some(fault) = checked.first_fault(&self.folder) {
            return Err(Failure::no(fault).next(format!(
                "see everything with `countersign policy test {}`",
                self.folder.display()
            )));
        }
        activate(
            engine,
            &self.org,
            files,
            "read from the folder of policies by `countersign serve`",
        )
        .await
    }
}

/// Where the ledgers lie.
fn place(config: &Config) -> Result<Place> {
    match (&config.data, &config.database_url) {
        (Some(data), _) => Ok(Place::Folder(Folder::new(data, config.key_file.as_deref()))),
        (None, Some(address)) => {
            let database = Database::new(address.clone(), config.key_file.as_deref())?;
            Ok(Place::Database(Box::new(database)))
        }
        (None, None) => Err(Failure::usage("no data folder and no database is named")
            .next("name one with --data DIR, or with --database-url URL and --key-file FILE")),
    }
}

async fn watched(config: &Config, engine: &Engine) -> Result<Option<Watched>> {
    let Some(folder) = &config.policies else {
        return Ok(None);
    };
    let org = organization(engine, config.organization.as_deref()).await?;
    Ok(Some(Watched {
        folder: Path::to_path_buf(folder),
        org,
    }))
}

fn tls(config: &Config) -> Option<TlsFiles> {
    match (&config.tls_cert, &config.tls_key) {
        (Some(cert), Some(key)) => Some(TlsFiles {
            certificate: cert.clone(),
            key: key.clone(),
        }),
        (Some(_) | None, Some(_) | None) => None,
    }
}

async fn listen_inside() -> Result<TcpListener> {
    listen(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0))).await
}

/// One clear line with the address, and what is lifted.
fn announce(address: &str, public: &str, lifted: &[String], invitation: Option<&str>, console: &Console) {
    let page = page_url(public, "/");
    if console.json {
        say(serde_json::json!({
            "address": address, "base_url": public, "allow_callbacks_to": lifted, "console": page, "invitation": invitation,
        }));
        return;
    }
    say(format_args!("countersign serves at {address}"));
    match invitation {
        Some(url) => say(format_args!(
            "the console is at {page}; sign in for the first time (once, within an hour):\n  {url}"
        )),
        None => say(format_args!("the console is at {page}")),
    }
    for target in lifted {
        note(format_args!(
            "callbacks may go to {target}, which is not public: --allow-callbacks-to"
        ));
    }
}

/// How long the first admin's invitation waits to be used.
const FIRST_INVITATION: Span = Span::hours(1);

/// An invitation for the first admin, where there is one organization and nobody of it has anything to sign in with, and the
/// page where it is used. Nothing is recorded before.
async fn first_invitation(engine: &Engine) -> Result<Option<(Arc<FirstInvitation>, String)>> {
    let rows = engine.organizations().await?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let Some(user) = engine.first_to_invite(&row.name).await? else {
        return Ok(None);
    };
    let secret = format!("first_{}", random_token()?);
    let url = page_url(engine.base_url(), &format!("/sign-in/{secret}"));
    let expires = engine.now() + FIRST_INVITATION;
    let first = FirstInvitation::new(row.name.clone(), user, secret, expires);
    Ok(Some((Arc::new(first), url)))
}

/// The identity provider of the settings.
fn identity(config: &Config) -> Result<Option<Arc<Identity>>> {
    let Some(issuer) = &config.oidc_issuer else {
        return Ok(None);
    };
    let provider = Provider::new(countersign_oidc::Settings {
        issuer: issuer.clone(),
        client_id: config.oidc_client_id.clone().unwrap_or_default(),
        client_secret: config.oidc_client_secret.clone().map(|secret| secret.0),
        user_claim: config.oidc_user_claim.clone().unwrap_or_else(|| "sub".to_owned()),
    });
    let provider = provider.map_err(|error| Failure::usage(format!("oidc_issuer: {error}")))?;
    Ok(Some(Arc::new(Identity {
        provider,
        organization: config.organization.clone(),
    })))
}
