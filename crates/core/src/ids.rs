//! Identifiers: made from time and random bits, sortable, with a prefix that says what they name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{prefix}_` and 32 hexadecimal digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// What its text form begins with.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix(concat!($prefix, "_"));
                digits
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
                    .and_then(|hex| u128::from_str_radix(hex, 16).ok())
                    .map($name)
                    .ok_or_else(|| IdError { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$") })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::read(deserializer, str::parse)
            }
        }
    )*};
}

ids! {
    /// An action, and with the same digits its permit.
    ActionId = "act";
    /// A request for a human decision.
    ApprovalId = "apr";
    /// A permit; its digits are those of its action, which has at most one.
    PermitId = "prm";
    /// An alert.
    AlertId = "alr";
    /// A registered receiver of callbacks.
    ReceiverId = "rcv";
    /// One callback on its way to a receiver; the `webhook-id` that receivers deduplicate by.
    DeliveryId = "msg";
    /// One notice on its way through a channel.
    NoticeId = "ntc";
    /// A legal hold.
    HoldId = "hld";
    /// A look at an action that has run.
    ReviewId = "rev";
    /// An absence of a person.
    AbsenceId = "abs";
    /// An override of a schedule.
    OverrideId = "ovr";
    /// What somebody wants of a snapshot, and others have to agree to.
    ProposalId = "prp";
    /// A run that was started.
    RunId = "run";
}

impl From<ActionId> for PermitId {
    fn from(id: ActionId) -> Self {
        PermitId(id.0)
    }
}

impl From<PermitId> for ActionId {
    fn from(id: PermitId) -> Self {
        ActionId(id.0)
    }
}

/// Where new identifiers come from. The engine's is time and randomness; a test's counts.
pub trait IdSource {
    /// 128 bits of the UUIDv7 layout (RFC 9562): sortable by `now`, never twice the same.
    fn next(&mut self, now: crate::time::Time) -> u128;
}
