//! Functions on texts in languages of others: `shell.commands(x)`, `url.host(x)` and so on. [`crate::foreign`] reads
//! the part of each language that programs read alike; everything else is an error of the condition, so its rule denies.

use std::ops::Range;
use std::sync::Arc;

use super::check::{Checker, Typed, a};
use super::closest;
use super::declare::Type;
use super::eval::{Scope, Valued, not, owned, value};
use super::node::Node;
use super::syntax::{Id, Kind};
use super::{EvalError, Fuel};
use crate::foreign::{self, MAX_BYTES, Unsure};
use crate::value::Value;

/// How much reading a text of ordinary length costs.
const ASSUMED_COST: u64 = 64;
/// How many bytes of a text are read for one unit of fuel.
const BYTES_PER_UNIT: u64 = 4;

/// What is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Commands,
    Writes,
    Host,
    Within,
    Verbs,
    Domain,
}

/// The functions, by the name before and behind the dot, with the numbers of arguments that they take.
const FUNCTIONS: [(&str, &str, Question, usize, usize); 6] = [
    ("shell", "commands", Question::Commands, 1, 1),
    ("shell", "writes", Question::Writes, 1, 1),
    ("url", "host", Question::Host, 1, 1),
    ("path", "within", Question::Within, 2, 3),
    ("sql", "verbs", Question::Verbs, 1, 1),
    ("email", "domain", Question::Domain, 1, 1),
];

impl Question {
    fn kind(self) -> Type {
        match self {
            Question::Commands | Question::Writes | Question::Verbs => Type::List(Arc::new(Type::String)),
            Question::Host | Question::Domain => Type::String,
            Question::Within => Type::Bool,
        }
    }

    fn name(self) -> String {
        let found = FUNCTIONS.iter().find(|(_, _, question, ..)| *question == self);
        found.map_or(String::new(), |(group, name, ..)| format!("{group}.{name}"))
    }
}

impl Checker<'_> {
    /// A call of such a function; `None` where it is something else.
    pub(super) fn text_function(
        &mut self,
        id: Id,
        base: Id,
        name: &str,
        name_span: &Range<usize>,
        args: &[Id],
    ) -> Option<Typed> {
        let tree = self.tree;
        let Kind::Name(group) = &tree.get(base).kind else {
            return None;
        };
        let known = FUNCTIONS.iter().filter(|(known, ..)| known == group);
        let Some((_, _, question, least, most)) = known.clone().find(|(_, known, ..)| *known == name) else {
            // A variable may have the name of a group; then it is a method of that variable.
            let variable = self.variables.iter().any(|(variable, _)| variable == group);
            if variable || known.clone().next().is_none() {
                return None;
            }
            self.unknown_text_function(group, name, name_span);
            return Some(Typed::unknown());
        };
        if args.len() < *least || args.len() > *most {
            let message = match question {
                Question::Within => {
                    "`path.within` takes a path and a folder, and what a relative path starts from".to_owned()
                }
                _ => format!("`{}` takes one argument", question.name()),
            };
            self.error("wrong_arguments", self.span(id), message, None);
            return Some(Typed::unknown());
        }
        self.cost = self.cost.saturating_add(self.factor.saturating_mul(ASSUMED_COST));
        let nodes = args.iter().map(|arg| self.text_argument(*question, *arg)).collect();
        if *question == Question::Within {
            args.iter().skip(1).for_each(|arg| self.folder(*arg));
        }
        Some(Typed::new(Node::Ask(*question, nodes), question.kind()))
    }

    fn text_argument(&mut self, question: Question, arg: Id) -> Node {
        let typed = self.expr(arg);
        if !typed.kind.meets(&Type::String) {
            let name = question.name();
            let message = format!("`{name}` takes a string, `{}` is {}", self.text(arg), a(&typed.kind));
            let help =
                matches!(typed.kind, Type::List(_)).then(|| format!("write `{}.all(x, {name}(x) …)`", self.text(arg)));
            self.error("wrong_type", self.span(arg), message, help);
        }
        typed.node
    }

    /// A folder that stands in the condition is absolute, or the condition could never hold.
    fn folder(&mut self, arg: Id) {
        if let Kind::Literal(Value::String(folder)) = &self.tree.get(arg).kind
            && let Err(error) = foreign::within("/", folder, None)
        {
            let help = "write it like `'/srv/project'`".to_owned();
            self.error("invalid_literal", self.span(arg), error.to_string(), Some(help));
        }
    }

    fn unknown_text_function(&mut self, group: &str, name: &str, span: &Range<usize>) {
        let names: Vec<&str> = FUNCTIONS
            .iter()
            .filter(|(known, ..)| *known == group)
            .map(|(_, name, ..)| *name)
            .collect();
        let help = match closest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{group}.{near}`?"),
            None => format!("`{group}` has {}", names.join(", ")),
        };
        let message = format!("unknown function `{group}.{name}`");
        self.error("unknown_function", span.clone(), message, Some(help));
    }
}

/// The answer to a question about texts.
pub(super) fn ask<'v>(question: Question, nodes: &'v [Node], scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let mut texts = Vec::with_capacity(nodes.len());
    for node in nodes {
        let text = value(node, scope, fuel)?;
        let Value::String(read) = &*text else {
            return Err(not(node, &text, "string"));
        };
        // What is too long is refused unread.
        let bytes = read.len().min(MAX_BYTES) as u64;
        fuel.spend(bytes / BYTES_PER_UNIT)?;
        texts.push(text);
    }
    let text = |at: usize| texts.get(at).and_then(|text| text.as_str());
    let first = text(0).unwrap_or_default();
    let answer = match question {
        Question::Commands => foreign::commands(first).map(list),
        Question::Writes => foreign::writes(first).map(list),
        Question::Host => foreign::host(first).map(Value::String),
        Question::Within => foreign::within(first, text(1).unwrap_or_default(), text(2)).map(Value::Bool),
        Question::Verbs => foreign::verbs(first).map(list),
        Question::Domain => foreign::domain(first).map(Value::String),
    };
    match answer {
        Ok(answer) => owned(answer),
        Err(Unsure(why)) => {
            let of = nodes.first().map(Node::name).unwrap_or_default();
            Err(EvalError::new(format!(
                "`{}` cannot be told for {of}: {why}",
                question.name()
            )))
        }
    }
}

fn list(names: Vec<String>) -> Value {
    Value::List(names.into_iter().map(Value::String).collect())
}
