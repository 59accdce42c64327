//! The contract of a channel: one message, one attempt, one answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future that a `dyn` trait can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way out to one receiver.
///
/// # Duties
///
/// *A channel* tries once, within its own time limit, keeps nothing, and never panics for what a receiver does. It says
/// [`Attempt::Delivered`] only when the receiver has taken the message. It never repeats to anyone what the receiver answered.
///
/// *The caller* keeps the message before the first attempt, in the transaction that made it due; records each attempt; tries again
/// after [`schedule::after`](crate::schedule::after) with the same id and the same body until it is delivered or the schedule is
/// exhausted, and then puts the message where a person sees it. A crash between the attempt and its record means another attempt: delivery is
/// at least once, and receivers tell repetitions by the id.
pub trait Channel: Send + Sync {
    /// The word for this channel in records and metrics, such as `webhook`.
    fn name(&self) -> &'static str;

    /// Tries once to deliver `message`. Dropping the future abandons the attempt; the receiver may have taken the message all the same.
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Attempt>;
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has taken the message.
    Delivered {
        /// The HTTP status, 200 to 299.
        status: u16,
    },
    /// Not delivered; another attempt may succeed.
    Retry {
        /// What happened.
        reason: Reason,
        /// How long the receiver asked to be left alone, at most a day.
        retry_after: Option<Duration>,
    },
    /// The receiver wants no more messages (410): disable it.
    Gone,
    /// The receiver does not take this message, and would not take it the next time either: a person should look.
    Rejected {
        /// What it said.
        reason: Reason,
    },
    /// Not sent, because the receiver's address may not be contacted. Another attempt may succeed, once its name or the allowlist
    /// has changed; a person should look.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why an attempt is to be repeated. Says nothing about what the receiver answered beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A status that is neither success nor 410; redirects are not followed.
    Status(u16),
    /// The name could not be resolved.
    Resolve,
    /// No connection: refused, unreachable or a failed TLS handshake.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke, or what came over it was not what the channel speaks.
    Broken,
    /// A word of the receiver's, out of those that its channel knows.
    Word(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Status(status) => write!(f, "answered with status {status}"),
            Reason::Resolve => f.write_str("the name could not be resolved"),
            Reason::Connect => f.write_str("could not connect"),
            Reason::Timeout => f.write_str("no answer in time"),
            Reason::Broken => f.write_str("the connection broke before an answer"),
            Reason::Word(word) => write!(f, "answered `{word}`"),
        }
    }
}

/// Why nothing was sent. Does not name the address: what a private name resolves to is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The name resolves to an address that is not public; one among several suffices.
    PrivateAddress,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::PrivateAddress => f.write_str("the receiver's name resolves to an address that is not public"),
        }
    }
}

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    id: String,
    timestamp_s: i64,
    body: Vec<u8>,
}

/// The longest id in bytes.
const LONGEST_ID: usize = 128;

impl Message {
    /// A message with a JSON body. The id stays the same over all attempts, the time is that of the attempt, in seconds since 1970-01-01.
    ///
    /// # Errors
    ///
    /// An id that is empty, longer than 128 bytes, or of other characters than letters, digits, `_` and `-`: a full stop would make
    /// the signed text `id.time.body` ambiguous.
    pub fn new(id: impl Into<String>, timestamp_s: i64, body: impl Into<Vec<u8>>) -> Result<Self, MessageError> {
        let id = id.into();
        let plain = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if id.is_empty() || id.len() > LONGEST_ID || !plain {
            return Err(MessageError::Id);
        }
        if timestamp_s < 0 {
            return Err(MessageError::Time);
        }
        Ok(Message {
            id,
            timestamp_s,
            body: body.into(),
        })
    }

    /// The same message at another time: for the next attempt.
    #[must_use]
    pub fn at(self, timestamp_s: i64) -> Self {
        Message {
            timestamp_s: timestamp_s.max(0),
            ..self
        }
    }

    /// The id by which receivers tell repetitions.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When this attempt is made, in seconds since 1970-01-01.
    pub fn timestamp_s(&self) -> i64 {
        self.timestamp_s
    }

    /// The body, as sent and signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Why something is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// See [`Message::new`].
    #[error("the id of a message has 1 to 128 letters, digits, `_` and `-`")]
    Id,
    /// The time is before 1970.
    #[error("the time of a message is not before 1970")]
    Time,
}
