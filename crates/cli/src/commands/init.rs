//! `countersign init`: a data folder with an organization, its first admin and its policies.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_engine::{NewOrganization, Settings};
use serde_json::json;

use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::instance::Instance;
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
    data: PathBuf,
    /// Activate the policy documents of this folder
    #[arg(long, conflicts_with = "starter")]
    policies: Option<PathBuf>,
    /// Write strict starter policies to DATA/policies and activate them (the default without --policies)
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
    /// Keep the instance key in this file instead of DATA/instance.key
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
}

impl Init {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let folder =
            Folder::new(&self.data, self.key_file.as_deref()).with_signer_state(self.signer_state.as_deref())?;
        // Everything that can be wrong is looked at before anything is made.
        let (source, files) = match &self.policies {
            Some(folder) => (folder.clone(), policies::read(folder)?),
            None => (self.data.join("policies"), starter(&self.org)),
        };
        must_be_fine(&source, &files)?;
        folder.create()?;
        let lock = folder.own()?;
        // A folder that is there may lack its key, and must not get another one.
        let fresh = !self.data.join("ledger.db").exists();
        let instance = Instance::open(&folder, lock, Settings::default(), fresh)?;
        let made = self.make(&instance, &source, files).await;
        instance.stop().await;
        let (opened, snapshot) = made?;
        let value = json!({
            "organization": opened.organization,
            "admin_key": opened.admin_key.text,
            "vkey": opened.vkey,
            "snapshot": snapshot,
        });
        let data = self.data.display();
        let text = format!(
            "organization  {org}\n\
             admin         {admin}\n\
             admin key     {key}\n\
             log key       {vkey}\n\
             policies      {snapshot}\n\
             \x20             from {source}\n\n\
             The admin key is shown this once. Keep the log key somewhere else: whoever verifies an export needs it.\n\n\
             Next:  countersign serve --data {data}\n\
             \x20      countersign agents add {agent} --data {data}",
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
        source: &Path,
        files: Files,
    ) -> Result<(countersign_engine::Opened, String)> {
        // An `init` that failed halfway may be repeated; one that succeeded may not.
        if !instance.engine.organizations().await?.is_empty() {
            return Err(
                Failure::no(format!("`{}` is a data folder already", self.data.display()))
                    .next("add another organization with `countersign org add NAME`, or choose another folder"),
            );
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

fn must_be_fine(folder: &Path, files: &Files) -> Result<()> {
    let checked = policies::check(files);
    match checked.first_fault(folder) {
        None => Ok(()),
        Some(fault) => Err(
            Failure::no(format!("the policies are not right: {fault}")).next(format!(
                "see everything with `countersign policy test {}`",
                folder.display()
            )),
        ),
    }
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
