//! What the demonstration plays on: a folder, a server, an organization, a receiver of callbacks.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_client::{Client, Credential};
use countersign_engine::{NewOrganization, Settings};
use countersign_notify::{Allowlist, Sender};

use super::receiver::Receiver;
use super::script::Keys;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::host::{Hosted, address};
use crate::instance::Instance;
use crate::local::{LocalFile, random_token};
use crate::policies::Files;

/// The organization.
pub(crate) const ORG: &str = "acme";
/// The agent.
pub(crate) const AGENT: &str = "support-refunds";

const POLICIES: [(&str, &str); 6] = [
    (
        "large-refunds.yaml",
        include_str!("../../../../examples/support-refunds/policies/large-refunds.yaml"),
    ),
    (
        "masked-exports.yaml",
        include_str!("../../../../examples/support-refunds/policies/masked-exports.yaml"),
    ),
    (
        "organization.yaml",
        include_str!("../../../../examples/support-refunds/policies/organization.yaml"),
    ),
    (
        "support-refunds.yaml",
        include_str!("../../../../examples/support-refunds/policies/support-refunds.yaml"),
    ),
    (
        "tests.yaml",
        include_str!("../../../../examples/support-refunds/policies/tests.yaml"),
    ),
    (
        "tools.yaml",
        include_str!("../../../../examples/support-refunds/policies/tools.yaml"),
    ),
];

/// Everything that runs.
pub(crate) struct Stage {
    hosted: Hosted,
    callbacks: tokio::task::JoinHandle<()>,
    /// Where callbacks arrive; taken by the script.
    pub(crate) receiver: std::sync::Mutex<Option<Receiver>>,
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// The first admin's key.
    pub(crate) admin_key: String,
    /// The log's verifying key.
    pub(crate) vkey: String,
    local: std::sync::Mutex<Option<LocalFile>>,
}

impl Stage {
    /// Sets everything up. A server that is kept listens where it always does, if that is free.
    pub(crate) async fn set(data: Option<&Path>, keep: bool) -> Result<Stage> {
        let root = match data {
            Some(data) => data.to_path_buf(),
            None => std::env::temp_dir().join(format!(
                "countersign-demo-{}",
                random_token()?.get(..12).unwrap_or_default()
            )),
        };
        if root.exists() {
            return Err(Failure::usage(format!("`{}` is there already", root.display()))
                .next("name a folder that is not: the demonstration begins with an empty ledger"));
        }
        let folder = Folder::new(&root, None);
        folder.create()?;
        let lock = folder.own()?;
        let receiver = Receiver::start()
            .await
            .map_err(|error| Failure::unreachable(format!("cannot listen for callbacks: {error}")))?;
        let target = receiver.address.to_string();
        let callbacks = Allowlist::parse([target.as_str()]).map_err(|error| Failure::unreachable(error.to_string()))?;
        let loopback = std::net::Ipv4Addr::LOCALHOST;
        let usual = if keep {
            tokio::net::TcpListener::bind((loopback, 7878)).await.ok()
        } else {
            None
        };
        let listener = match usual {
            Some(listener) => listener,
            None => crate::host::listen((loopback, 0).into()).await?,
        };
        let base_url = format!("http://{}", address(&listener)?);
        let settings = Settings {
            base_url,
            callbacks,
            ..Settings::default()
        };
        let instance = Instance::open(&folder, lock, settings, true)?;
        let new = NewOrganization {
            name: ORG.into(),
            instance: Some("demo".into()),
            currency: "USD".into(),
            zone: "UTC".into(),
            admin: "alex".into(),
        };
        let opened = instance.engine.create_organization(new).await?;
        let files: Files = POLICIES
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        instance
            .activate(ORG, files, "the policies of the demonstration")
            .await?;
        let sender = Sender::new().map_err(|error| Failure::unreachable(error.to_string()))?;
        let callbacks = tokio::spawn(instance.engine.clone().deliver_callbacks(sender));
        Ok(Stage {
            hosted: Hosted::serve(instance, listener)?,
            callbacks,
            receiver: std::sync::Mutex::new(Some(receiver)),
            folder: root,
            admin_key: opened.admin_key.text,
            vkey: opened.vkey,
            local: std::sync::Mutex::new(None),
        })
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        &self.hosted.local.address
    }

    /// A client with this key.
    pub(crate) fn client(&self, key: &str) -> Result<Client> {
        Ok(Client::new(self.url(), &Credential::Key(key.to_owned()))?)
    }

    /// Lets other commands find the server by its folder.
    pub(crate) async fn keep(&self) -> Result<()> {
        if let Some(lock) = &self.hosted.instance.lock {
            let noted = lock.note_address(self.url());
            noted.map_err(|error| Failure::io("note the address in", &self.folder, &error))?;
        }
        let file = self.hosted.local.write(&self.folder)?;
        *self.local.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(file);
        Ok(())
    }

    /// What somebody can do with the server that is kept.
    pub(crate) fn invitation(&self, keys: &Keys) -> String {
        let (url, data) = (self.url(), self.folder.display());
        format!(
            "\nThe server goes on at {url} until you press Ctrl-C.\n\
             agent     {AGENT:<16} {agent}\n\
             reviewer  {dana:<16} {reviewer}\n\
             admin     {alex:<16} {admin}\n\n\
             Ask for a refund as the agent:\n\
             \x20 curl {url}/v1/actions -H 'Authorization: Bearer {agent}' -H 'Content-Type: application/json' \\\n\
             \x20      -d '{{\"tool\":\"payments/refund\",\"amount\":\"250\",\"currency\":\"USD\",\"args\":{{\"order\":\"4522\"}}}}'\n\
             Decide on it as the reviewer:\n\
             \x20 countersign approvals list --server {url} --key {reviewer}\n\
             \x20 countersign approvals approve apr_… --server {url} --key {reviewer}\n\
             See the rest:\n\
             \x20 countersign audit export --out bundle --data {data}\n\
             \x20 {url}/docs\n\
             The data folder {data} stays when you stop.",
            agent = keys.agent,
            reviewer = keys.reviewer,
            admin = keys.admin,
            dana = "dana",
            alex = "alex",
        )
    }

    /// Ends everything, and removes the folder unless it is to stay.
    pub(crate) async fn clear(self, stays: bool) {
        self.callbacks.abort();
        drop(self.local);
        self.hosted.stop().await;
        if !stays {
            // A temporary folder that stays behind is the operating system's to clear.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
