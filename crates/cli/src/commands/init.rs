//! `countersign init`: a data folder, or a database, with an organization, its first admin and its policies.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_engine::{NewOrganization, Settings};
use serde_json::json;

use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::instance::Instance;
use crate::place::Place;
use crate::policies::{self, Files};

/// The starter bundle: everything strict that this version enforces.
const STARTER: [(&str, &str); 5] = [
    ("organization.yaml", include_str!("../../starter/organization.yaml")),
    ("tools.yaml", include_str!("../../starter/tools.yaml")),
    ("first-agent.yaml", include_str!("../../starter/first-agent.yaml")),
    (
        "production-writes.yaml",
        include_str!("../../starter/production-writes.yaml"),
    ),
    ("tests.yaml", include_str!("../../starter/tests.yaml")),
];

#[derive(Args)]
pub(super) struct Init {
    /// The data folder to make
    #[arg(long)]
    data: Option<PathBuf>,
    /// A database in place of a data folder: postgres://…; better given as COUNTERSIGN_DATABASE_URL. Needs --key-file
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    database_url: Option<String>,
    /// Activate the policy documents of this folder
    #[arg(long, conflicts_with = "starter")]
    policies: Option<PathBuf>,
    /// Write strict starter policies to DATA/policies (with a database: ./policies) and activate them (the default
    /// without --policies)
    #[arg(long)]
    starter: bool,
    /// Name of the organization
    #[arg(long, default_value = "main")]
    org: String,
    /// Name of this instance, part of the log's name; `countersign-` and 8 digits when left out
    #[arg(long)]
    name: Option<String>,
    /// Currency of amounts that name none, ISO 4217
    #[arg(long, default_value = "USD")]
    currency: String,
    /// Time zone, IANA
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Id of the first admin
    #[arg(long, default_value = "admin")]
    admin: String,
    /// Keep the instance key in this file instead of DATA/instance.key. With a database each node needs a copy of it
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
}

impl Init {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let place = Place::named(
            self.data.as_deref(),
            self.database_url.as_deref(),
            self.key_file.as_deref(),
        )
        .and_then(|place| place.with_signer_state(self.signer_state.as_deref()))?;
        // Everything that can be wrong is looked at before anything is made.
        let (source, files) = match &self.policies {
            Some(folder) => (folder.clone(), policies::read(folder)?),
            None => (place.policies(), starter(&self.org)),
        };
        policies::must_be_fine(&source, &files)?;
        let instance = match &place {
            Place::Folder(folder) => {
                folder.create()?;
                let lock = folder.own()?;
                // A folder that is there may lack its key, and must not get another one.
                let fresh = !folder.root.join("ledger.db").exists();
                Instance::open(folder, lock, Settings::default(), fresh)?
            }
            Place::Database(database) => Instance::join(database, Settings::default(), true)?,
        };
        let made = self.make(&instance, &place, &source, files).await;
        instance.stop().await;
        let (opened, snapshot) = made?;
        let value = json!({
            "organization": opened.organization,
            "admin_key": opened.admin_key.text,
            "vkey": opened.vkey,
            "snapshot": snapshot,
        });
        let flags = place.flags();
        let text = format!(
            "organization  {org}\n\
             admin         {admin}\n\
             admin key     {key}\n\
             log key       {vkey}\n\
             policies      {snapshot}\n\
             \x20             from {source}\n\n\
             The admin key is shown this once. Keep the log key somewhere else: whoever verifies an export needs it.\n\n\
             Next:  countersign serve {flags}\n\
             \x20      countersign agents add {agent} {flags}",
            org = opened.organization,
            admin = self.admin,
            key = opened.admin_key.text,
            vkey = opened.vkey,
            source = source.display(),
            agent = if self.policies.is_none() {
                "first-agent --owner team:support"
            } else {
                "AGENT --owner team:TEAM"
            },
        );
        console.answer(&value, text);
        Ok(())
    }

    async fn make(
        &self,
        instance: &Instance,
        place: &Place,
        source: &Path,
        files: Files,
    ) -> Result<(countersign_engine::Opened, String)> {
        // An `init` that failed halfway may be repeated; one that succeeded may not.
        if !instance.engine.organizations().await?.is_empty() {
            return Err(Failure::no(format!("{place} is in use already"))
                .next("add another organization with `countersign org add NAME`, or choose another place"));
        }
        if self.policies.is_none() {
            must_be_free(source, &files)?;
        }
        let new = NewOrganization {
            name: self.org.clone(),
            instance: self.name.clone(),
            currency: self.currency.clone(),
            zone: self.zone.clone(),
            admin: self.admin.clone(),
        };
        let opened = instance.engine.create_organization(new).await?;
        if self.policies.is_none() {
            write_starter(source, &files)?;
        }
        let snapshot = instance
            .activate(&self.org, files, "first policies, by `countersign init`")
            .await?;
        Ok((opened, snapshot))
    }
}

/// The starter bundle as files, for this organization.
fn starter(org: &str) -> Files {
    let named = |text: &str| text.replace("\norganization: main\n", &format!("\norganization: {org}\n"));
    STARTER
        .iter()
        .map(|(name, text)| ((*name).to_owned(), named(text).into_bytes()))
        .collect()
}

/// Fails where somebody wrote other documents: they are not overwritten.
fn must_be_free(folder: &Path, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|found| found != *bytes) {
            return Err(Failure::no(format!(
                "`{}` is there already, and is not the starter's",
                path.display()
            ))
            .next(format!("use what is there with `--policies {}`", folder.display())));
        }
    }
    Ok(())
}

fn write_starter(folder: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Failure::io("make", folder, &error))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| Failure::io("write", &path, &error))?;
    }
    Ok(())
}
