//! Every call of the API, in one table: the document, the router, the authorization and the docs page are made from it.

mod access;
mod credentials;
mod export;
mod inventory;
mod limits;
mod links;
mod observed;
mod overview;
mod params;
mod reader;
mod review;
mod runs;
mod sessions;
mod table;
mod tried;

use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

pub use table::READERS;

pub use crate::registry::Role;

/// Every call.
pub static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    [
        table::CALLS,
        review::CALLS,
        inventory::CALLS,
        limits::CALLS,
        links::CALLS,
        observed::CALLS,
        overview::CALLS,
        reader::CALLS,
        credentials::CALLS,
        export::CALLS,
        runs::CALLS,
        sessions::CALLS,
        access::CALLS,
        tried::CALLS,
    ]
    .concat()
});

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Does something.
    Post,
    /// Puts something in place of what was there.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// Its name in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Whoever reaches the server.
    Anyone,
    /// Slack, by a signature of the whole request in place of a credential; the handler checks it.
    Slack,
    /// Whoever holds a link of one use that a person was sent; the handler checks it.
    Link,
    /// Whoever holds a good credential.
    Holder,
    /// The operator at the machine.
    LocalOperator,
    /// A person who may vote; nobody else, whatever they may do otherwise.
    Voter,
    /// Those named.
    Those {
        /// An agent, for itself.
        agents: bool,
        /// People with one of these roles. Where `admin` may, the operator at the machine may too.
        roles: &'static [Role],
        /// Keys with this scope; a scope that ends with `:` is a family of scopes.
        scope: Option<&'static str>,
    },
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Permission::Anyone => f.write_str("anyone, without a key"),
            Permission::Slack => f.write_str("Slack, by its signature"),
            Permission::Link => f.write_str("whoever holds a link that was sent to a person"),
            Permission::Holder => f.write_str("any key"),
            Permission::LocalOperator => f.write_str("the operator at the machine"),
            Permission::Voter => f.write_str("people with role reviewer or admin"),
            Permission::Those { agents, roles, scope } => {
                let mut who = Vec::new();
                if *agents {
                    who.push("agents, for themselves".to_owned());
                }
                if !roles.is_empty() {
                    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                    who.push(format!("people with role {}", names.join(", ")));
                }
                if let Some(scope) = scope {
                    who.push(format!(
                        "keys with scope `{scope}{}`",
                        if scope.ends_with(':') { "…" } else { "" }
                    ));
                }
                f.write_str(&who.join("; "))
            }
        }
    }
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
}

/// A parameter of a call.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub about: &'static str,
    /// Its schema.
    pub schema: fn() -> serde_json::Value,
    /// It has to be there.
    pub required: bool,
    /// A path parameter that may hold slashes, percent-encoded or not.
    pub slashes: bool,
}

/// What a call takes.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// Its schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Whether a text is such a body.
    pub reads: fn(&str) -> Result<(), String>,
    /// One that is; the fields of a form as JSON.
    pub example: &'static str,
    /// Media type.
    pub content: &'static str,
}

/// What a call answers when all is well.
#[derive(Clone, Copy, Debug)]
pub struct Success {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content: &'static str,
    /// Its schema, for JSON.
    pub schema: Option<fn(&mut SchemaGenerator) -> Schema>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// A stable name: the `operationId`, and what its handler is found by.
    pub id: &'static str,
    /// Method.
    pub method: Method,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Who may make it.
    pub permission: Permission,
    /// An `Idempotency-Key` makes a repetition answer the same.
    pub idempotent: bool,
    /// Parameters.
    pub params: &'static [Param],
    /// What it takes.
    pub body: Option<Body>,
    /// What it answers.
    pub success: Success,
    /// Problems of its own: HTTP status and code.
    pub problems: &'static [(u16, &'static str)],
}

/// The HTTP status by which AuthZEN says what is wrong with a request: everything about its form is 400.
#[must_use]
pub fn authzen_status(status: u16) -> u16 {
    match status {
        415 | 422 => 400,
        other => other,
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn reads<T: DeserializeOwned>(text: &str) -> Result<(), String> {
    serde_json::from_str::<T>(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

impl Call {
    const fn new(id: &'static str, method: Method, path: &'static str, permission: Permission) -> Call {
        Call {
            id,
            method,
            path,
            summary: "",
            permission,
            idempotent: false,
            params: &[],
            body: None,
            success: Success {
                status: 200,
                content: "application/json",
                schema: None,
            },
            problems: &[],
        }
    }

    const fn about(mut self, summary: &'static str) -> Call {
        self.summary = summary;
        self
    }

    const fn idempotent(mut self) -> Call {
        self.idempotent = true;
        self
    }

    const fn with(mut self, params: &'static [Param]) -> Call {
        self.params = params;
        self
    }

    const fn takes<T: JsonSchema + DeserializeOwned>(mut self, example: &'static str) -> Call {
        self.body = Some(Body {
            schema: schema_of::<T>,
            reads: reads::<T>,
            example,
            content: "application/json",
        });
        self
    }

    /// Takes the fields of a form.
    const fn takes_form<T: JsonSchema + DeserializeOwned>(self, example: &'static str) -> Call {
        let mut call = self.takes::<T>(example);
        if let Some(body) = &mut call.body {
            body.content = "application/x-www-form-urlencoded";
        }
        call
    }

    const fn answers<T: JsonSchema>(mut self) -> Call {
        self.success.schema = Some(schema_of::<T>);
        self
    }

    const fn creates<T: JsonSchema>(mut self) -> Call {
        self.success.status = 201;
        self.success.schema = Some(schema_of::<T>);
        self
    }

    const fn answers_as(mut self, content: &'static str) -> Call {
        self.success.content = content;
        self
    }

    const fn problems(mut self, problems: &'static [(u16, &'static str)]) -> Call {
        self.problems = problems;
        self
    }

    /// The call's group: the first part of its path that says something.
    pub fn group(&self) -> &'static str {
        let path = self.path.strip_prefix("/v1/").unwrap_or(&self.path[1..]);
        if self.path.starts_with("/v1/") {
            path.split(['/', ':']).next().unwrap_or(path)
        } else {
            "server"
        }
    }

    /// Whether it is a call of AuthZEN's, which has statuses of its own and repeats the caller's request id.
    pub fn is_authzen(&self) -> bool {
        self.path.starts_with("/access/")
    }

    /// Every problem that this call may answer, by status: its own and those that all calls of its kind share.
    pub fn all_problems(&self) -> Vec<(u16, Vec<&'static str>)> {
        let mut all: Vec<(u16, &'static str)> = vec![(500, "internal")];
        if self.permission != Permission::Anyone {
            all.extend([(401, "unauthenticated"), (403, "forbidden"), (429, "too_many_failures")]);
            all.extend([(400, "organization_required"), (404, "not_found")]);
            all.extend(
                [
                    "outcome_unknown",
                    "overloaded",
                    "restored_backup",
                    "signer_state",
                    "store_failed",
                    "stopping",
                    "upgrade_needed",
                ]
                .map(|code| (503, code)),
            );
        }
        if self.params.iter().any(|param| param.place == Place::Path) {
            all.push((404, "not_found"));
        }
        if self.params.iter().any(|param| param.place == Place::Query) {
            all.push((422, "invalid_parameter"));
        }
        if self.method != Method::Get {
            all.extend([
                (400, "invalid_idempotency_key"),
                (403, "organization_closed"),
                (409, "not_upgraded"),
                (503, "store_full"),
            ]);
            all.extend([(408, "request_timeout"), (413, "too_large")]);
        }
        if self.body.is_some() {
            all.extend([(400, "invalid_json"), (415, "unsupported_media_type")]);
            let codes = [
                "unknown_field",
                "missing_field",
                "wrong_type",
                "invalid_value",
                "record_too_large",
            ];
            all.extend(codes.map(|code| (422, code)));
        }
        if self.idempotent {
            all.push((422, "idempotency_key_reused"));
        }
        all.extend(self.problems);
        if self.is_authzen() {
            for (status, _) in &mut all {
                *status = authzen_status(*status);
            }
        }
        all.sort_unstable();
        all.dedup();
        let mut by_status: Vec<(u16, Vec<&'static str>)> = Vec::new();
        for (status, code) in all {
            match by_status.last_mut() {
                Some((same, codes)) if *same == status => codes.push(code),
                _ => by_status.push((status, vec![code])),
            }
        }
        by_status
    }
}
