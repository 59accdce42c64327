//! The kinds of things that are found, and sets of them.

use std::fmt;

use countersign_policy::Snapshot;

/// What a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A payment card number (ISO/IEC 7812), or the code printed beside it.
    Card,
    /// A United States social security number.
    Ssn,
    /// An international bank account number (ISO 13616).
    Iban,
    /// An API key, access token, password or other shared secret.
    ApiKey,
    /// A JSON web token (RFC 7519), signed or encrypted.
    Jwt,
    /// A private key in PEM (RFC 7468) or OpenPGP armour.
    PrivateKey,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 8] = [
        Kind::Card,
        Kind::Ssn,
        Kind::Iban,
        Kind::ApiKey,
        Kind::Jwt,
        Kind::PrivateKey,
        Kind::Email,
        Kind::Phone,
    ];

    /// The name in policies, records and markers.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Card => "card",
            Kind::Ssn => "ssn",
            Kind::Iban => "iban",
            Kind::ApiKey => "api_key",
            Kind::Jwt => "jwt",
            Kind::PrivateKey => "private_key",
            Kind::Email => "email",
            Kind::Phone => "phone",
        }
    }

    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of kinds. But for [`Kinds::only`] it always holds the ones that are never optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// The kinds that are always looked for: all but [`Kind::Email`] and [`Kind::Phone`].
    pub const fn standard() -> Self {
        Kinds(
            Kind::Card.bit()
                | Kind::Ssn.bit()
                | Kind::Iban.bit()
                | Kind::ApiKey.bit()
                | Kind::Jwt.bit()
                | Kind::PrivateKey.bit(),
        )
    }

    /// All kinds.
    pub const fn all() -> Self {
        Self::standard().with(Kind::Email).with(Kind::Phone)
    }

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Kinds(self.0 | kind.bit())
    }

    /// The standard kinds and the named ones (`audit.redact` of a mandate).
    ///
    /// # Errors
    ///
    /// The first name that is not one of a [`Kind`].
    pub fn with_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownKind> {
        let mut kinds = Self::standard();
        for name in names {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            kinds = kinds.with(kind.ok_or_else(|| UnknownKind(name.to_owned()))?);
        }
        Ok(kinds)
    }

    /// The named kinds and no other: what a rule looks for in what is let out. What is kept is looked through for more.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Kinds(0).and(names)
    }

    /// This set and the named kinds; a name that is none of a kind adds nothing.
    #[must_use]
    pub fn and<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let named = names
            .into_iter()
            .filter_map(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name));
        named.fold(self, Kinds::with)
    }

    /// What is looked for in all that belongs to an agent's actions: the standard kinds, and what its mandate adds.
    pub fn of(live: Option<&Snapshot>, agent: &str) -> Self {
        let mandate = live.and_then(|live| live.mandate(agent));
        // A kind that redaction does not know was refused when the policy was loaded.
        let named = mandate.and_then(|mandate| Self::with_names(mandate.redact().iter().map(String::as_str)).ok());
        named.unwrap_or_default()
    }

    /// Whether `kind` is looked for.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::standard()
    }
}

/// A name that is not one of a [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub String);

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing to redact is called `{}`: use one of", self.0)?;
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            write!(f, "{}{kind}", if index == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownKind {}
