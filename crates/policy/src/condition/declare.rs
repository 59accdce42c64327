//! What a condition may read: the roots, their types, and which of them may be absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::facts::Root;

/// The type of an expression, as far as it is known when the policy loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Known only at the decision; operators check the kind then.
    Any,
    /// Only `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// An exact decimal.
    Number,
    /// Text.
    String,
    /// An instant.
    Timestamp,
    /// A span of time.
    Duration,
    /// A list whose members have one type.
    List(Arc<Type>),
    /// A map with text keys that are not known beforehand.
    Map(Arc<Type>),
    /// A map with declared keys.
    Record(Arc<Record>),
}

impl Type {
    /// The word that messages use.
    pub fn name(&self) -> &'static str {
        match self {
            Type::Any => "value of any kind",
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Number => "number",
            Type::String => "string",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::List(_) => "list",
            Type::Map(_) | Type::Record(_) => "map",
        }
    }

    /// Whether a value of this type can equal one of the other.
    pub(super) fn meets(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::List(left), Type::List(right)) | (Type::Map(left), Type::Map(right)) => left.meets(right),
            (Type::Map(_) | Type::Record(_), Type::Map(_) | Type::Record(_)) => true,
            (left, right) => left == right,
        }
    }
}

/// The declared keys of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Key to what is known of its value.
    pub fields: BTreeMap<String, Field>,
    /// Other keys may occur; reading one is a warning, not an error.
    pub open: bool,
}

/// A declared key or root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The type of the value, where it is present.
    pub kind: Type,
    /// It may be absent: a condition has to ask `has()` before it reads it.
    pub optional: bool,
}

impl Field {
    /// A key that is always there.
    pub fn always(kind: Type) -> Self {
        Field { kind, optional: false }
    }

    /// A key that may be absent.
    pub fn optional(kind: Type) -> Self {
        Field { kind, optional: true }
    }
}

/// The environment that conditions are checked against.
///
/// The default is the environment of every condition; [`Declarations::set`] narrows a root, for instance `args` to the
/// schema of one tool.
#[derive(Clone, Debug)]
pub struct Declarations {
    roots: BTreeMap<Root, Field>,
}

impl Declarations {
    /// Replaces what is known of `root`.
    pub fn set(&mut self, root: Root, field: Field) {
        self.roots.insert(root, field);
    }

    /// What is known of `root`.
    pub fn get(&self, root: Root) -> Option<&Field> {
        self.roots.get(&root)
    }

    /// The names of the declared roots.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(|root| root.name())
    }
}

impl Default for Declarations {
    fn default() -> Self {
        let roots = Root::ALL.into_iter().map(|root| (root, declared(root))).collect();
        Declarations { roots }
    }
}

fn declared(root: Root) -> Field {
    let any_map = Type::Map(Arc::new(Type::Any));
    let any_list = Type::List(Arc::new(Type::Any));
    let texts = |names: &[&str]| -> Vec<(String, Field)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), Field::optional(Type::String)))
            .collect()
    };
    let id = || ("id".to_owned(), Field::always(Type::String));
    let labels = || ("labels".to_owned(), Field::optional(Type::Map(Arc::new(Type::Any))));
    let record = |fields: Vec<(String, Field)>| {
        Type::Record(Arc::new(Record {
            fields: fields.into_iter().collect(),
            open: false,
        }))
    };
    match root {
        Root::Agent => {
            let mut fields = texts(&["owner", "team", "tier", "autonomy", "identity"]);
            fields.extend([id(), labels()]);
            Field::always(record(fields))
        }
        Root::Tool => {
            let mut fields = texts(&["class", "risk", "tier"]);
            fields.extend([id(), labels(), ("reversible".to_owned(), Field::optional(Type::Bool))]);
            Field::optional(record(fields))
        }
        Root::Resource => {
            let mut fields = texts(&["type", "id", "owner"]);
            fields.push(labels());
            Field::optional(record(fields))
        }
        Root::Principal => {
            let verified = ("verified".to_owned(), Field::always(Type::Bool));
            Field::optional(record(vec![id(), verified]))
        }
        Root::Run => {
            let mut fields = texts(&["started_by", "trigger"]);
            fields.push(id());
            Field::optional(Type::Record(Arc::new(Record {
                fields: fields.into_iter().collect(),
                open: true,
            })))
        }
        Root::Action | Root::Access => Field::always(Type::String),
        Root::Args => Field::always(any_map),
        Root::Open | Root::Pii | Root::Reads => Field::always(Type::List(Arc::new(Type::String))),
        Root::Now => Field::always(Type::Timestamp),
        Root::Env | Root::Currency => Field::optional(Type::String),
        Root::Amount | Root::EstimatedCost | Root::Confidence => Field::optional(Type::Number),
        Root::Evidence | Root::Labels | Root::Counters | Root::Model => Field::optional(any_map),
        Root::Delegation | Root::Conflicts => Field::optional(any_list),
    }
}
