//! A bucket of storage that speaks the protocol of S3. Address, region and credentials come from the environment, by the names
//! that everybody uses: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …
//!
//! **Object lock.** `object_store` knows no headers for it, and a header that is not signed is refused. So requests that make
//! locked objects go through [`Locking`], which adds the headers and signs the request itself. The cursor is never locked.

use std::io::Read as _;
use std::path::Path as FilePath;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use countersign_core::{Span, Time};
use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredentialProvider, Checksum};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::path::Path;
use object_store::{Error, MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::{Lock, Place, Put};
use crate::error::ExportError;

/// What is larger is sent in parts of this size.
const PART_BYTES: usize = 16 * 1024 * 1024;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
/// Which checksum comes along: what makes a locked object has to have one, and some servers look for this name.
const CHECKSUM: &str = "x-amz-sdk-checksum-algorithm";

/// A folder in a bucket.
pub struct Bucket {
    folder: String,
    /// Reads, and writes what is not locked.
    plain: AmazonS3,
    /// Writes what is written once.
    once: AmazonS3,
}

impl Bucket {
    /// The folder at `BUCKET/FOLDER`.
    pub(super) fn open(address: &str, lock: Option<Lock>) -> Result<Bucket, ExportError> {
        let (name, folder) = address.split_once('/').unwrap_or((address, ""));
        if name.is_empty() {
            return Err(ExportError::Usage {
                what: format!("`s3://{address}` names no bucket"),
                next: "write s3://BUCKET/FOLDER".to_owned(),
            });
        }
        // Another part of the program may have chosen the same provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: Error| ExportError::place("use", format!("s3://{address}"), error);
        // A locked object needs a checksum; it harms no other.
        let builder = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_checksum_algorithm(Checksum::SHA256);
        let plain = builder.clone().build().map_err(failed)?;
        let once = match lock {
            None => plain.clone(),
            Some(lock) => {
                let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
                let locking = Locking {
                    credentials: plain.credentials().clone(),
                    lock,
                    region: region.unwrap_or_else(|| "us-east-1".to_owned()),
                };
                // With the credentials at hand, only requests to the bucket go through the connector.
                let builder = builder
                    .with_credentials(plain.credentials().clone())
                    .with_skip_signature(true);
                builder.with_http_connector(locking).build().map_err(failed)?
            }
        };
        let folder = folder.trim_matches('/').to_owned();
        Ok(Bucket { folder, plain, once })
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.folder))
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<Put, ExportError> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .once
            .put_opts(&self.path(name), PutPayload::from(bytes), options)
            .await
        {
            Ok(_) => Ok(Put::Created),
            Err(Error::AlreadyExists { .. }) => Ok(Put::Exists),
            Err(error) => Err(ExportError::place("write", name, error)),
        }
    }

    /// Writes a new file with the content of a local one.
    pub(super) async fn upload(&self, name: &str, from: &FilePath) -> Result<Put, ExportError> {
        let unreadable = |error: std::io::Error| ExportError::place("read", from.display().to_string(), error);
        let failed = |error: Error| ExportError::place("write", name, error);
        let mut file = std::fs::File::open(from).map_err(unreadable)?;
        let mut chunk = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            (&mut file).take(PART_BYTES as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let first = chunk().map_err(unreadable)?;
        if first.len() < PART_BYTES {
            return self.put(name, first).await;
        }
        let mut upload = self.once.put_multipart(&self.path(name)).await.map_err(failed)?;
        let mut bytes = first;
        while !bytes.is_empty() {
            upload.put_part(PutPayload::from(bytes)).await.map_err(failed)?;
            bytes = chunk().map_err(unreadable)?;
        }
        upload.complete().await.map_err(failed)?;
        Ok(Put::Created)
    }
}

impl Place for Bucket {
    async fn names(&self, prefix: &str) -> Result<Vec<String>, ExportError> {
        let failed = |error: Error| ExportError::place("list", prefix, error);
        let folder = Path::from(self.folder.as_str());
        // Keys come in order; the listing begins right before the first one that can fit.
        let mut shorter = prefix.chars();
        shorter.next_back();
        let before = self.path(shorter.as_str());
        let mut listed = if prefix.is_empty() {
            self.plain.list(Some(&folder))
        } else {
            self.plain.list_with_offset(Some(&folder), &before)
        };
        let mut names = Vec::new();
        while let Some(object) = listed.next().await {
            let key = object.map_err(failed)?.location.to_string();
            let name = key.strip_prefix(&self.folder).unwrap_or(&key).trim_start_matches('/');
            if name < prefix {
                continue;
            }
            if !name.starts_with(prefix) {
                break;
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ExportError> {
        let failed = |error: Error| ExportError::place("read", name, error);
        match self.plain.get(&self.path(name)).await {
            Ok(object) => Ok(Some(object.bytes().await.map_err(failed)?.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn create(&self, name: &str, bytes: &[u8]) -> Result<Put, ExportError> {
        self.put(name, bytes.to_vec()).await
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let put = self.plain.put(&self.path(name), PutPayload::from(bytes.to_vec())).await;
        put.map(drop).map_err(|error| ExportError::place("write", name, error))
    }
}

/// Makes clients whose new objects are locked.
#[derive(Debug)]
struct Locking {
    credentials: AwsCredentialProvider,
    lock: Lock,
    region: String,
}

impl HttpConnector for Locking {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Signed {
            client: ReqwestConnector::default().connect(options)?,
            credentials: self.credentials.clone(),
            lock: self.lock,
            region: self.region.clone(),
        }))
    }
}

#[derive(Debug)]
struct Signed {
    client: HttpClient,
    credentials: AwsCredentialProvider,
    lock: Lock,
    region: String,
}

#[async_trait]
impl HttpService for Signed {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let wrong = |error| HttpError::new(HttpErrorKind::Request, error);
        let query = request.uri().query().unwrap_or_default();
        // A new object, or the beginning of one that is sent in parts; the parts themselves have no lock.
        let makes = match request.method().as_str() {
            "PUT" => !query.contains("partNumber="),
            "POST" => query == "uploads" || query.starts_with("uploads=") || query.starts_with("uploads&"),
            _ => false,
        };
        if makes {
            let headers = request.headers_mut();
            for (name, value) in [
                (CHECKSUM, "SHA256".to_owned()),
                (MODE, "COMPLIANCE".to_owned()),
                (UNTIL, until(self.lock)),
            ] {
                // An instant is always good text for a header.
                if let Ok(value) = value.parse() {
                    headers.insert(name, value);
                }
            }
        }
        let credential = self.credentials.get_credential().await.map_err(wrong)?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(wrong)?;
        self.client.execute(request).await
    }
}

/// Until when, as S3 takes it: RFC 3339 with whole seconds.
fn until(lock: Lock) -> String {
    let until = match lock {
        Lock::Until(time) => time,
        Lock::Days(days) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_micros();
            Time(i64::try_from(now).unwrap_or(i64::MAX)) + Span::hours(24 * i64::from(days))
        }
    };
    // Rounded up: a lock is never shorter than what was asked for.
    let seconds = until.0.saturating_add(999_999).div_euclid(1_000_000);
    Time(seconds.saturating_mul(1_000_000))
        .to_string()
        .replace(".000000Z", "Z")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails loudly")]

    use std::sync::{Arc, Mutex};

    use object_store::StaticCredentialProvider;
    use object_store::aws::AwsCredential;

    use super::*;

    /// Keeps the requests and answers none.
    #[derive(Clone, Debug, Default)]
    struct Recorder(Arc<Mutex<Vec<HttpRequest>>>);

    #[async_trait]
    impl HttpService for Recorder {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            self.0.lock().unwrap().push(request);
            Err(HttpError::new(
                HttpErrorKind::Unknown,
                Error::NotModified {
                    path: String::new(),
                    source: "no answer".into(),
                },
            ))
        }
    }

    async fn sent(method: &str, uri: &str) -> HttpRequest {
        let recorder = Recorder::default();
        let signed = Signed {
            client: HttpClient::new(recorder.clone()),
            credentials: Arc::new(StaticCredentialProvider::new(AwsCredential {
                key_id: "exporter".into(),
                secret_key: "not a secret".into(),
                token: None,
            })),
            lock: Lock::Until("2033-01-01T00:00:00.000001Z".parse().unwrap()),
            region: "eu-central-1".into(),
        };
        let mut request = HttpRequest::new(Vec::new().into());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = uri.parse().unwrap();
        signed.call(request).await.unwrap_err();
        let request = recorder.0.lock().unwrap().pop();
        request.unwrap()
    }

    #[tokio::test]
    async fn what_makes_an_object_is_locked_and_the_lock_is_signed() {
        for (method, uri) in [
            ("PUT", "http://store/vault/records.jsonl"),
            ("POST", "http://store/vault/records.jsonl?uploads"),
            ("POST", "http://store/vault/records.jsonl?uploads="),
        ] {
            let request = sent(method, uri).await;
            assert_eq!(request.headers()[MODE], "COMPLIANCE", "{method} {uri}");
            assert_eq!(
                request.headers()[UNTIL],
                "2033-01-01T00:00:01Z",
                "never shorter than asked for"
            );
            let authorization = request.headers()["authorization"].to_str().unwrap();
            assert!(
                authorization.contains(MODE) && authorization.contains(UNTIL),
                "{authorization}"
            );
        }
    }

    #[tokio::test]
    async fn what_makes_no_object_is_signed_and_not_locked() {
        for (method, uri) in [
            ("GET", "http://store/vault/records.jsonl"),
            ("PUT", "http://store/vault/records.jsonl?partNumber=2&uploadId=x"),
            ("POST", "http://store/vault/records.jsonl?uploadId=x"),
        ] {
            let request = sent(method, uri).await;
            assert!(!request.headers().contains_key(MODE), "{method} {uri}");
            assert!(request.headers().contains_key("authorization"), "{method} {uri}");
        }
    }
}
