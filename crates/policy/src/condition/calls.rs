//! Checks of functions, methods and macros: a closed list.

use std::ops::Range;

use rust_decimal::Decimal;

use super::check::{Checker, Typed, a};
use super::declare::Type;
use super::node::{Base, Fold, Node, Search};
use super::syntax::{Id, Kind, Order};
use super::time::{Part, parse_duration, parse_timestamp};
use super::{ASSUMED_LENGTH, MAX_MACROS, closest};
use crate::facts::Root;
use crate::value::Value;

const FUNCTIONS: [&str; 5] = ["has", "size", "timestamp", "duration", "failures"];

/// The most that `failures(n)` may ask for.
const MOST_FAILURES: i64 = 100;
const METHODS: [&str; 20] = [
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "lowerAscii",
    "upperAscii",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
];

fn part_named(name: &str) -> Option<Part> {
    Some(match name {
        "getFullYear" => Part::FullYear,
        "getMonth" => Part::Month,
        "getDate" => Part::Date,
        "getDayOfMonth" => Part::DayOfMonth,
        "getDayOfWeek" => Part::DayOfWeek,
        "getDayOfYear" => Part::DayOfYear,
        "getHours" => Part::Hours,
        "getMinutes" => Part::Minutes,
        "getSeconds" => Part::Seconds,
        _ => return None,
    })
}

fn fold_named(name: &str) -> Option<Fold> {
    Some(match name {
        "all" => Fold::All,
        "exists" => Fold::Exists,
        "exists_one" => Fold::ExistsOne,
        "filter" => Fold::Filter,
        "map" => Fold::Map,
        _ => return None,
    })
}

fn search_named(name: &str) -> Option<Search> {
    Some(match name {
        "startsWith" => Search::StartsWith,
        "endsWith" => Search::EndsWith,
        "contains" => Search::Contains,
        _ => return None,
    })
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        id: Id,
        base: Option<Id>,
        name: &str,
        name_span: &Range<usize>,
        args: &[Id],
    ) -> Typed {
        match (base, name, args) {
            (None, "has", [arg]) => Typed::new(self.has(*arg), Type::Bool),
            (None, "size", [of]) => self.size(*of),
            (Some(of), "size", []) => self.size(of),
            (None, "timestamp" | "duration", [arg]) => self.time(name, *arg),
            (None, "failures", [arg]) => self.failures(*arg),
            (None, "has" | "size" | "timestamp" | "duration" | "failures", _) => {
                self.arity(id, &format!("`{name}` takes one argument"))
            }
            (None, ..) => self.unknown_function(name, name_span, args),
            (Some(base), ..) => match self.text_function(id, base, name, name_span, args) {
                Some(typed) => typed,
                None => self.method(id, base, name, name_span, args),
            },
        }
    }

    fn arity(&mut self, id: Id, message: &str) -> Typed {
        self.error("wrong_arguments", self.span(id), message.to_owned(), None);
        Typed::unknown()
    }

    fn unknown_function(&mut self, name: &str, span: &Range<usize>, args: &[Id]) -> Typed {
        let help = match (METHODS.contains(&name), args, closest(name, FUNCTIONS)) {
            (true, [first, ..], _) => format!("write `{}.{name}(…)`", self.text(*first)),
            (_, _, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("the functions are {}", FUNCTIONS.join(", ")),
        };
        self.error(
            "unknown_function",
            span.clone(),
            format!("unknown function `{name}`"),
            Some(help),
        );
        Typed::unknown()
    }

    fn method(&mut self, id: Id, base: Id, name: &str, span: &Range<usize>, args: &[Id]) -> Typed {
        if let Some(fold) = fold_named(name) {
            return match args {
                [variable, body] => self.fold(fold, base, name, *variable, *body),
                _ => self.arity(
                    id,
                    &format!("`{name}` takes a variable and an expression, such as `{name}(x, x > 0)`"),
                ),
            };
        }
        if let Some(search) = search_named(name) {
            let [arg] = args else {
                return self.arity(id, &format!("`{name}` takes one argument"));
            };
            let subject = self.subject(base, name, &Type::String);
            let sought = self.subject(*arg, name, &Type::String);
            return Typed::new(Node::Search(search, subject, sought), Type::Bool);
        }
        let node = match (name, part_named(name)) {
            ("lowerAscii", _) => Node::Lower(self.subject(base, name, &Type::String)),
            ("upperAscii", _) => Node::Upper(self.subject(base, name, &Type::String)),
            (_, Some(part)) => Node::Part(part, self.subject(base, name, &Type::Timestamp)),
            _ => {
                self.unknown_method(base, name, span);
                return Typed::unknown();
            }
        };
        if !args.is_empty() {
            return self.arity(id, &format!("`{name}` takes no argument"));
        }
        let kind = if matches!(node, Node::Part(..)) {
            Type::Number
        } else {
            Type::String
        };
        Typed::new(node, kind)
    }

    fn unknown_method(&mut self, base: Id, name: &str, span: &Range<usize>) {
        let help = match (name, closest(name, METHODS)) {
            ("matches", _) => "use `startsWith`, `endsWith`, `contains` or `in`".to_owned(),
            ("toLowerCase" | "lower" | "toLower", _) => "did you mean `lowerAscii`?".to_owned(),
            ("toUpperCase" | "upper" | "toUpper", _) => "did you mean `upperAscii`?".to_owned(),
            ("length" | "len" | "count", _) => "did you mean `size`?".to_owned(),
            ("includes" | "has", _) => "did you mean `contains`?".to_owned(),
            ("any", _) => "did you mean `exists`?".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("the methods are {}", METHODS.join(", ")),
        };
        self.expr(base);
        self.error(
            "unknown_function",
            span.clone(),
            format!("unknown method `{name}`"),
            Some(help),
        );
    }

    /// An operand of a method, of the kind that the method takes.
    fn subject(&mut self, id: Id, name: &str, wanted: &Type) -> Box<Node> {
        let typed = self.expr(id);
        if !typed.kind.meets(wanted) {
            let message = format!(
                "`{name}` takes {}, `{}` is {}",
                a(wanted),
                self.text(id),
                a(&typed.kind)
            );
            let help = match (name, &typed.kind) {
                ("contains", Type::List(_)) => Some(format!("write `… in {}`", self.text(id))),
                _ => None,
            };
            self.error("wrong_type", self.span(id), message, help);
        }
        Box::new(typed.node)
    }

    fn size(&mut self, of: Id) -> Typed {
        let typed = self.expr(of);
        if !matches!(
            typed.kind,
            Type::Any | Type::String | Type::List(_) | Type::Map(_) | Type::Record(_)
        ) {
            let message = format!("`{}` is {} and has no size", self.text(of), a(&typed.kind));
            self.error("wrong_type", self.span(of), message, None);
        }
        Typed::new(Node::Size(Box::new(typed.node)), Type::Number)
    }

    /// `failures(n)`: the agent failed at this at least `n` times in a row.
    fn failures(&mut self, arg: Id) -> Typed {
        let span = self.span(arg);
        let count = match self.expr(arg).constant() {
            Some(Value::Number(count)) if count.is_integer() => Some(*count),
            _ => None,
        };
        let in_range = |count: &Decimal| *count >= Decimal::ONE && *count <= Decimal::from(MOST_FAILURES);
        let Some(count) = count.filter(in_range) else {
            let message = format!("`failures` takes a whole number from 1 to {MOST_FAILURES}");
            self.error(
                "wrong_arguments",
                span,
                message,
                Some("write it like `failures(3)`".into()),
            );
            return Typed::unknown();
        };
        let path = self.path(Base::Root(Root::Counters), &[("failures".to_owned(), span)]);
        let reached = Node::PathCompares(path.clone(), Order::GreaterEqual, count);
        Typed::new(Node::And(vec![Node::Has(path), reached]), Type::Bool)
    }

    /// `timestamp(…)` and `duration(…)`; literals are read here, so that a wrong one does not load.
    fn time(&mut self, name: &str, arg: Id) -> Typed {
        let timestamp = name == "timestamp";
        let (kind, other) = if timestamp {
            (Type::Timestamp, Type::Timestamp)
        } else {
            (Type::Duration, Type::Duration)
        };
        let typed = self.expr(arg);
        if let Some(Value::String(text)) = typed.constant() {
            let parsed = if timestamp {
                parse_timestamp(text).map(Value::Timestamp)
            } else {
                parse_duration(text).map(Value::Duration)
            };
            let Some(value) = parsed else {
                let example = if timestamp { "2026-11-21T07:00:00Z" } else { "1h30m" };
                let message = format!("{} is not a {name}", self.text(arg));
                self.error(
                    "invalid_literal",
                    self.span(arg),
                    message,
                    Some(format!("write it like `{example}`")),
                );
                return Typed::new(Node::Constant(Value::Null), kind);
            };
            return Typed::new(Node::Constant(value), kind);
        }
        if !typed.kind.meets(&Type::String) && !typed.kind.meets(&other) {
            let message = format!("`{name}` takes a string, `{}` is {}", self.text(arg), a(&typed.kind));
            self.error("wrong_type", self.span(arg), message, None);
        }
        let node = Box::new(typed.node);
        Typed::new(
            if timestamp {
                Node::Timestamp(node)
            } else {
                Node::Duration(node)
            },
            kind,
        )
    }

    fn fold(&mut self, fold: Fold, base: Id, name: &str, variable: Id, body: Id) -> Typed {
        let tree = self.tree;
        let list = self.expr(base);
        let member = match &list.kind {
            Type::Any => Type::Any,
            Type::List(member) => (**member).clone(),
            Type::Map(_) | Type::Record(_) => Type::String,
            other => {
                let message = format!(
                    "`{name}` walks over a list or the keys of a map, `{}` is {}",
                    self.text(base),
                    a(other)
                );
                self.error("wrong_type", self.span(base), message, None);
                Type::Any
            }
        };
        let Kind::Name(variable_name) = &tree.get(variable).kind else {
            let message = format!("the first argument of `{name}` names a variable");
            self.error(
                "wrong_arguments",
                self.span(variable),
                message,
                Some(format!("write `{name}(x, …)`")),
            );
            return Typed::unknown();
        };
        let taken =
            Root::named(variable_name).is_some() || self.variables.iter().any(|(known, _)| known == variable_name);
        if taken {
            let message = format!("`{variable_name}` already means something else here");
            self.error(
                "name_taken",
                self.span(variable),
                message,
                Some("use another name for the variable".into()),
            );
            return Typed::unknown();
        }
        if self.variables.len() >= MAX_MACROS {
            let message = format!("macros are nested at most {MAX_MACROS} deep");
            self.error("too_deep", self.span(base).start..self.span(body).end, message, None);
            return Typed::unknown();
        }
        let slot = self.variables.len();
        let length = match list.constant() {
            Some(Value::List(items)) => u64::try_from(items.len()).unwrap_or(u64::MAX),
            _ => ASSUMED_LENGTH,
        };
        let outside = self.factor;
        self.factor = self.factor.saturating_mul(length.max(1));
        self.variables.push((variable_name.clone(), member.clone()));
        let (node, kind) = match fold {
            Fold::Map => {
                let typed = self.expr(body);
                (typed.node, Type::List(typed.kind.into()))
            }
            Fold::Filter => (self.truth(body, name), Type::List(member.into())),
            _ => (self.truth(body, name), Type::Bool),
        };
        self.variables.pop();
        self.factor = outside;
        Typed::new(Node::Fold(fold, slot, Box::new(list.node), Box::new(node)), kind)
    }
}
