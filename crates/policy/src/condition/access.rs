//! Checks of names, fields and members: are they declared, and can they be absent?

use std::ops::Range;

use super::check::{Checker, Key, Typed, a};
use super::declare::Type;
use super::node::{Base, Node, Path};
use super::syntax::{Id, Kind};
use super::{Finding, closest};
use crate::facts::Root;
use crate::problem::Severity;

/// What a walk along a path found.
struct Walked {
    kind: Type,
    /// The first part that may be absent here: how many keys lead to it, and whether it is declared.
    absent: Option<(usize, bool)>,
}

impl Checker<'_> {
    pub(super) fn base_named(&self, name: &str) -> Option<Base> {
        let variable = self.variables.iter().position(|(known, _)| known == name);
        let root = || Root::named(name).filter(|root| self.declarations.get(*root).is_some());
        variable.map(Base::Variable).or_else(|| root().map(Base::Root))
    }

    /// The value of a name, field or member; `soft`: absence of a root text is a warning.
    pub(super) fn read(&mut self, id: Id, soft: bool) -> Typed {
        let tree = self.tree;
        if let Some((base, keys)) = self.path_of(id) {
            let Some(walked) = self.walk(base, &keys) else {
                return Typed::unknown();
            };
            let path = self.path(base, &keys);
            if let Some((length, declared)) = walked.absent {
                let soft = soft && keys.is_empty() && walked.kind == Type::String;
                self.may_be_absent(id, base, keys.get(..length).unwrap_or_default(), declared && !soft);
            }
            return Typed::new(Node::Read(path), walked.kind);
        }
        match &tree.get(id).kind {
            Kind::Name(name) => {
                self.unknown_name(id, name);
                Typed::unknown()
            }
            Kind::Field { base, name } => {
                let inner = self.expr(*base);
                let kind = self.member(&inner.kind, name, self.span(id), *base);
                Typed::new(
                    Node::Key(Box::new(inner.node), name.as_str().into()),
                    kind.unwrap_or(Type::Any),
                )
            }
            Kind::Index { base, index } => self.index(*base, *index),
            _ => Typed::unknown(),
        }
    }

    fn index(&mut self, base: Id, index: Id) -> Typed {
        let inner = self.expr(base);
        let key = self.expr(index);
        let (wanted, kind) = match &inner.kind {
            Type::List(member) => (Type::Number, (**member).clone()),
            Type::Map(member) => (Type::String, (**member).clone()),
            Type::Record(_) => (Type::String, Type::Any),
            Type::Any => (Type::Any, Type::Any),
            other => {
                let message = format!("`{}` is {} and has no members", self.text(base), a(other));
                self.error("wrong_type", self.span(index), message, None);
                (Type::Any, Type::Any)
            }
        };
        if !wanted.meets(&key.kind) {
            let message = format!("the members of `{}` are found by {}", self.text(base), a(&wanted));
            self.error("wrong_type", self.span(index), message, None);
        }
        Typed::new(Node::Index(Box::new(inner.node), Box::new(key.node)), kind)
    }

    /// The path as it is evaluated; roots are remembered as read.
    pub(super) fn path(&mut self, base: Base, keys: &[Key]) -> Path {
        let text = self.path_text(base, keys).into();
        let path = Path {
            base,
            keys: keys.iter().map(|(key, _)| key.as_str().into()).collect(),
            text,
        };
        if matches!(base, Base::Root(_)) {
            self.paths.push(path.clone());
        }
        path
    }

    fn path_text(&self, base: Base, keys: &[Key]) -> String {
        let mut text = match base {
            Base::Root(root) => root.name().to_owned(),
            Base::Variable(slot) => self
                .variables
                .get(slot)
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
        };
        for (key, _) in keys {
            let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && key.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
            if plain {
                text.push('.');
                text.push_str(key);
            } else {
                text.push_str(&format!("[{key:?}]"));
            }
        }
        text
    }

    /// Follows a path through the declared types. Nothing where something on the way is unknown, which is reported.
    fn walk(&mut self, base: Base, keys: &[Key]) -> Option<Walked> {
        let (mut kind, optional) = match base {
            Base::Root(root) => {
                let field = self.declarations.get(root)?;
                (field.kind.clone(), field.optional)
            }
            Base::Variable(slot) => (self.variables.get(slot)?.1.clone(), false),
        };
        let mut absent = (optional && !self.guarded(base, &[])).then_some((0, true));
        for (index, (key, span)) in keys.iter().enumerate() {
            let before = keys.get(..index).unwrap_or_default();
            let after = keys.get(..=index).unwrap_or_default();
            let (optional, declared) = match &kind {
                Type::Record(record) => match record.fields.get(key) {
                    Some(field) => (field.optional, true),
                    None => (true, false),
                },
                _ => (true, false),
            };
            let text = self.path_text(base, before);
            kind = self.key_type(&kind, key, span.clone(), &text)?;
            if optional && absent.is_none() && !self.guarded(base, after) {
                absent = Some((index + 1, declared));
            }
        }
        Some(Walked { kind, absent })
    }

    /// The type of a key of something that is not a path.
    fn member(&mut self, kind: &Type, key: &str, span: Range<usize>, base: Id) -> Option<Type> {
        let text = self.text(base);
        self.key_type(kind, key, span, &text)
    }

    fn key_type(&mut self, kind: &Type, key: &str, span: Range<usize>, of: &str) -> Option<Type> {
        match kind {
            Type::Any => Some(Type::Any),
            Type::Map(member) => Some((**member).clone()),
            Type::Record(record) => match record.fields.get(key) {
                Some(field) => Some(field.kind.clone()),
                None if record.open => Some(Type::Any),
                None => {
                    let known = record.fields.keys().map(String::as_str);
                    let help = match closest(key, known.clone()) {
                        Some(near) => format!("did you mean `{of}.{near}`?"),
                        None => format!("`{of}` has {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    self.error(
                        "unknown_field",
                        span,
                        format!("`{of}` has no field `{key}`"),
                        Some(help),
                    );
                    None
                }
            },
            other => {
                let message = format!("`{of}` is {} and has no field `{key}`", a(other));
                let help = match other {
                    Type::List(_) => Some(format!("write `{of}.exists(x, x.{key} == …)`, or `{of}[0].{key}`")),
                    Type::String if key == "length" || key == "size" => Some(format!("write `size({of})`")),
                    _ => None,
                };
                self.error("wrong_type", span, message, help);
                None
            }
        }
    }

    fn may_be_absent(&mut self, id: Id, base: Base, keys: &[Key], error: bool) {
        let text = self.path_text(base, keys);
        if !self.reported.insert(format!("{error} {text}")) {
            return;
        }
        let message = format!("`{text}` may be absent; where it is, the rule denies");
        let severity = if error { Severity::Error } else { Severity::Warning };
        let message = if error {
            format!("`{text}` may be absent")
        } else {
            message
        };
        let finding = Finding::error("may_be_absent", self.span(id), message);
        // A bare variable is never absent, so there is always something that `has()` takes.
        self.findings.push(Finding {
            severity,
            ..finding.help(format!("write `has({text}) && …`"))
        });
    }

    fn unknown_name(&mut self, id: Id, name: &str) {
        let variables = self.variables.iter().map(|(name, _)| name.as_str());
        let near = closest(name, self.declarations.names().chain(variables)).map(str::to_owned);
        let help = match (name, near) {
            ("True" | "TRUE", _) => "did you mean `true`?".to_owned(),
            ("False" | "FALSE", _) => "did you mean `false`?".to_owned(),
            ("None" | "nil" | "NULL", _) => "did you mean `null`?".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("text is quoted: `'{name}'`; arguments are read as `args.{name}`"),
        };
        self.error(
            "unknown_name",
            self.span(id),
            format!("unknown name `{name}`"),
            Some(help),
        );
    }

    /// `has(…)`.
    pub(super) fn has(&mut self, arg: Id) -> Node {
        let tree = self.tree;
        if let Some((base, keys)) = self.path_of(arg) {
            if self.walk(base, &keys).is_none() {
                return Node::Constant(false.into());
            }
            return Node::Has(self.path(base, &keys));
        }
        match &tree.get(arg).kind {
            Kind::Name(name) => self.unknown_name(arg, name),
            Kind::Field { base, name } => {
                let inner = self.expr(*base);
                self.member(&inner.kind, name, self.span(arg), *base);
                return Node::HasKey(Box::new(inner.node), name.as_str().into());
            }
            _ => {
                let message = format!("`has` takes a name or a field, not `{}`", self.text(arg));
                self.error(
                    "wrong_type",
                    self.span(arg),
                    message,
                    Some("write `has(amount)` or `has(args.to)`".into()),
                );
            }
        }
        Node::Constant(false.into())
    }
}
