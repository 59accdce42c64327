//! Where exports go: a folder, or storage that speaks the protocol of S3.

mod folder;
#[cfg(feature = "s3")]
mod s3;

use std::future::Future;
use std::path::Path;

use countersign_core::Time;

use crate::error::ExportError;

pub use folder::Folder;

/// What became of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, durable.
    Created,
    /// There is one of that name already; nothing was changed.
    Exists,
}

/// A place for files that are written once.
///
/// **Durability**: what a call reported as done is on stable storage, whole. What was under way when the process ended is
/// there whole or not at all.
pub trait Place {
    /// Names of the files that begin so, in order.
    fn names(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, ExportError>>;
    /// A file; `None` if there is none.
    fn read(&self, name: &str) -> impl Future<Output = Result<Option<Vec<u8>>, ExportError>>;
    /// Writes a new file, which stays as it is.
    fn create(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<Put, ExportError>>;
    /// Writes a file that may be there already; readers see the old one or the new one.
    fn replace(&self, name: &str, bytes: &[u8]) -> impl Future<Output = Result<(), ExportError>>;
}

/// Until when nobody, not even the owner of the account, may delete or change an object (mode `COMPLIANCE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Until this instant.
    Until(Time),
    /// So many days from the moment of writing.
    Days(u32),
}

/// A destination by its address.
pub enum Destination {
    /// A folder.
    Folder(Folder),
    /// A bucket, and a folder in it.
    #[cfg(feature = "s3")]
    S3(Box<s3::Bucket>),
}

/// The destination at an address: `s3://BUCKET/FOLDER`, or the path of a folder.
///
/// # Errors
/// [`ExportError::MissingFeature`] if this build knows no S3; [`ExportError::Usage`] if the address or the lock makes no
/// sense; [`ExportError::Place`] if the folder cannot be made.
pub fn destination(address: &str, lock: Option<Lock>) -> Result<Destination, ExportError> {
    match address.strip_prefix("s3://") {
        Some(rest) => bucket(rest, lock),
        None if lock.is_some() => Err(ExportError::Usage {
            what: format!("`{address}` is a folder, which cannot be locked"),
            next: "locks are for objects: name a bucket with object lock, s3://BUCKET/FOLDER".to_owned(),
        }),
        None => Folder::open(Path::new(address)).map(Destination::Folder),
    }
}

#[cfg(feature = "s3")]
fn bucket(rest: &str, lock: Option<Lock>) -> Result<Destination, ExportError> {
    s3::Bucket::open(rest, lock).map(|bucket| Destination::S3(Box::new(bucket)))
}

#[cfg(not(feature = "s3"))]
fn bucket(_rest: &str, _lock: Option<Lock>) -> Result<Destination, ExportError> {
    Err(ExportError::MissingFeature {
        what: "S3",
        feature: "s3",
    })
}

impl Destination {
    /// Writes a new file with the content of a local one, however large.
    ///
    /// # Errors
    /// [`ExportError::Place`].
    pub async fn upload(&self, name: &str, from: &Path) -> Result<Put, ExportError> {
        match self {
            Destination::Folder(folder) => {
                let bytes = std::fs::read(from).map_err(|error| ExportError::place("read", name, error))?;
                folder.create(name, &bytes).await
            }
            #[cfg(feature = "s3")]
            Destination::S3(bucket) => bucket.upload(name, from).await,
        }
    }
}

impl Place for Destination {
    async fn names(&self, prefix: &str) -> Result<Vec<String>, ExportError> {
        match self {
            Destination::Folder(folder) => folder.names(prefix).await,
            #[cfg(feature = "s3")]
            Destination::S3(bucket) => bucket.names(prefix).await,
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ExportError> {
        match self {
            Destination::Folder(folder) => folder.read(name).await,
            #[cfg(feature = "s3")]
            Destination::S3(bucket) => bucket.read(name).await,
        }
    }

    async fn create(&self, name: &str, bytes: &[u8]) -> Result<Put, ExportError> {
        match self {
            Destination::Folder(folder) => folder.create(name, bytes).await,
            #[cfg(feature = "s3")]
            Destination::S3(bucket) => bucket.create(name, bytes).await,
        }
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        match self {
            Destination::Folder(folder) => folder.replace(name, bytes).await,
            #[cfg(feature = "s3")]
            Destination::S3(bucket) => bucket.replace(name, bytes).await,
        }
    }
}
