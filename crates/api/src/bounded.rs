//! Values of request bodies with their bounds: what the document promises is what reading a body enforces.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A member within a member that may be left out and is never `null`: that is what the document says. `null` among the
/// members of a body itself is refused before it is read.
pub(crate) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Text of 1 to `MAX` characters, of which one at least is not a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(pub String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() || text.chars().count() > MAX {
            return Err(D::Error::custom(format!(
                "invalid text: it has to have 1 to {MAX} characters"
            )));
        }
        Ok(Text(text))
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX, "pattern": "\\S" })
    }
}

/// A whole number from `MIN` to `MAX`. JSON knows no integers, so `7.0` is one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

/// The largest whole number that every reader of JSON sees as the same.
pub const MAX_WHOLE: u64 = (1 << 53) - 1;

/// How many.
pub type Count = Whole<0, MAX_WHOLE>;

/// How many days a key is good.
pub type Days = Whole<1, 3650>;

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let whole = |number: f64| format!("{number:.0}").parse().ok().filter(|_| number.fract() == 0.0);
        let count = number.as_u64().or_else(|| number.as_f64().and_then(whole));
        match count.filter(|count| (MIN..=MAX).contains(count)) {
            Some(count) => Ok(Whole(count)),
            None => Err(D::Error::custom(format!(
                "invalid number: it has to be whole and from {MIN} to {MAX}"
            ))),
        }
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

macro_rules! patterned {
    ($($(#[$doc:meta])* $name:ident = $pattern:literal, $check:expr, $wanted:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// What the text looks like.
            pub const PATTERN: &'static str = $pattern;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok($name(text)) } else { Err(D::Error::custom(concat!("invalid text: it has to be ", $wanted))) }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

patterned! {
    /// The id of an agent, a person, a team, an organization.
    Id = "^[a-z0-9][a-z0-9_.:/-]{0,127}$", is_id,
        "1 to 128 of a-z, 0-9, `_`, `.`, `:`, `/`, `-`, the first a letter or digit";
    /// A name of a label or of a kind of token.
    Name = "^[a-z0-9_]{1,64}$",
        |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
        "1 to 64 of a-z, 0-9, `_`";
    /// A SHA-256 digest.
    Hex64 = "^[0-9a-f]{64}$", is_hex64, "64 hexadecimal digits";
    /// What a candidate is held against.
    Held = "^(live|recorded|sha256:[0-9a-f]{64})$",
        |text| matches!(text, "live" | "recorded") || text.strip_prefix("sha256:").is_some_and(is_hex64),
        "`live`, `recorded` or the hash of a snapshot";
    /// A policy that is there: the live one, or a snapshot.
    LiveOrHash = "^(live|sha256:[0-9a-f]{64})$",
        |text| text == "live" || text.strip_prefix("sha256:").is_some_and(is_hex64),
        "`live` or the hash of a snapshot";
    /// The hash of a policy snapshot.
    SnapshotHash = "^sha256:[0-9a-f]{64}$",
        |text| text.strip_prefix("sha256:").is_some_and(is_hex64), "`sha256:` and 64 hexadecimal digits";
    /// Money that was spent.
    Cost = "^[0-9]{1,18}(\\.[0-9]{1,9})?$", is_cost, "a decimal such as `12.50`";
    /// An ISO 4217 code.
    Currency = "^[A-Z]{3}$",
        |text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()), "an ISO 4217 code such as `USD`";
    /// The address of a receiver.
    Url = "^https?://[!-~]{1,2000}$",
        |text| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| (1..=2000).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_graphic()))
        },
        "an https URL";
    /// An instant.
    Moment = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z$", is_moment,
        "a time such as `2026-01-31T09:00:00Z`";
    /// What a clock on the wall shows.
    WallTime = "^([01][0-9]|2[0-3]):[0-5][0-9]$", is_wall_time, "a time of the day such as `22:00`";
    /// A file name of a policy document.
    FileName = "^[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}$",
        |text| {
            (1..=200).contains(&text.len())
                && text.bytes().enumerate().all(|(place, b)| {
                    b.is_ascii_alphanumeric() || b == b'_' || place > 0 && b"./-".contains(&b)
                })
        },
        "1 to 200 of letters, digits, `_`, `.`, `/`, `-`";
}

fn is_id(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .enumerate()
            .all(|(place, b)| fine(b) || place > 0 && b"_.:/-".contains(&b))
}

fn is_hex64(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_moment(text: &str) -> bool {
    let shape = |shape: &str, text: &str| {
        shape.len() == text.len()
            && shape.bytes().zip(text.bytes()).all(|(wanted, b)| match wanted {
                b'0' => b.is_ascii_digit(),
                wanted => b == wanted,
            })
    };
    let Some(text) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fine = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    fine && shape("0000-00-00T00:00:00", whole)
}

fn is_wall_time(text: &str) -> bool {
    let part = |part: &str, below: u8| {
        part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u8>().is_ok_and(|n| n < below)
    };
    text.split_once(':')
        .is_some_and(|(hour, minute)| part(hour, 24) && part(minute, 60))
}

fn is_cost(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fine = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    fine(whole, 18) && fine(fraction, 9)
}
