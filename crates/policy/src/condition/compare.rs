//! Checks of comparisons and of `in`: sides that can never be equal are a mistake, not false.

use super::check::{Checker, Typed, a};
use super::declare::Type;
use super::node::Node;
use super::syntax::{Id, Kind, Order};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn compare(&mut self, id: Id, order: Order, left: Id, right: Id) -> Typed {
        let equality = matches!(order, Order::Equal | Order::NotEqual);
        let (a_side, b_side) = match equality {
            true => (self.compared(left, right), self.compared(right, left)),
            false => (self.expr(left), self.expr(right)),
        };
        let comparable = |kind: &Type| {
            equality
                || matches!(
                    kind,
                    Type::Any | Type::Number | Type::String | Type::Timestamp | Type::Duration
                )
        };
        for (id, typed) in [(left, &a_side), (right, &b_side)] {
            if !comparable(&typed.kind) {
                let message = format!("`{}` is {}, which has no order", self.text(id), a(&typed.kind));
                self.error("wrong_type", self.span(id), message, None);
                return Typed::new(Node::Constant(Value::Null), Type::Bool);
            }
        }
        let null = equality && [&a_side, &b_side].iter().any(|side| matches!(side.kind, Type::Null));
        if !a_side.kind.meets(&b_side.kind) {
            let (this, that) = (self.text(left), self.text(right));
            let message = format!("`{this}` is {} and `{that}` {}", a(&a_side.kind), a(&b_side.kind));
            let message = if equality {
                format!("{message}: they are never equal")
            } else {
                message
            };
            let help = match (null, self.unquoted(&a_side, &b_side)) {
                (true, _) => {
                    let name = if matches!(a_side.kind, Type::Null) { that } else { this };
                    Some(format!("to ask whether it is there write `has({name})`"))
                }
                (false, Some(help)) => Some(help),
                (false, None) => self
                    .record_hint(left, &a_side)
                    .or_else(|| self.record_hint(right, &b_side)),
            };
            self.error("wrong_type", self.span(id), message, help);
        }
        Typed::new(comparison(order, a_side.node, b_side.node), Type::Bool)
    }

    /// One side of `==`: a root text against a literal may be read unguarded.
    fn compared(&mut self, id: Id, other: Id) -> Typed {
        let tree = self.tree;
        let plain = matches!(tree.get(id).kind, Kind::Name(_));
        if plain && self.literal(other) {
            self.cost = self.cost.saturating_add(self.factor);
            return self.read(id, true);
        }
        self.expr(id)
    }

    fn literal(&self, id: Id) -> bool {
        match &self.tree.get(id).kind {
            Kind::Literal(Value::String(_)) => true,
            // A text without quotes, which is reported as that.
            Kind::Name(name) => self.base_named(name).is_none(),
            Kind::List(items) => items.iter().all(|item| self.literal(*item)),
            _ => false,
        }
    }

    /// `amount == '500'`: the quotes are the mistake.
    fn unquoted(&self, left: &Typed, right: &Typed) -> Option<String> {
        let (text, other) = match (left.constant(), right.constant()) {
            (Some(Value::String(text)), _) => (text, &right.kind),
            (_, Some(Value::String(text))) => (text, &left.kind),
            _ => return None,
        };
        match other {
            Type::Number if crate::json::decimal(text).is_some() => Some(format!("write `{text}` without quotes")),
            Type::Bool if matches!(text.as_str(), "true" | "false") => Some(format!("write `{text}` without quotes")),
            Type::Timestamp => Some(format!("write `timestamp('{text}')`")),
            Type::Duration => Some(format!("write `duration('{text}')`")),
            Type::List(_) => Some(format!("write `'{text}' in …`")),
            _ => None,
        }
    }

    /// `tool == 'x'`: the record's id is meant.
    fn record_hint(&self, id: Id, typed: &Typed) -> Option<String> {
        let Type::Record(record) = &typed.kind else { return None };
        record
            .fields
            .contains_key("id")
            .then(|| format!("did you mean `{}.id`?", self.text(id)))
    }

    pub(super) fn membership(&mut self, item: Id, list: Id) -> Typed {
        let left = self.compared(item, list);
        let right = self.expr(list);
        let (message, help) = match &right.kind {
            Type::List(member) if !left.kind.meets(member) => {
                let message = format!(
                    "`{}` is {}, the members are {}s",
                    self.text(item),
                    a(&left.kind),
                    member.name()
                );
                (message, None)
            }
            Type::Map(_) | Type::Record(_) if !left.kind.meets(&Type::String) => (
                format!("`{}` is {}, keys are strings", self.text(item), a(&left.kind)),
                None,
            ),
            Type::Any | Type::List(_) | Type::Map(_) | Type::Record(_) => {
                return Typed::new(one_of(left.node, right.node), Type::Bool);
            }
            kind => {
                let (item, list) = (self.text(item), self.text(list));
                let help = match kind {
                    Type::String => format!("write `{list}.contains({item})`"),
                    _ => format!("write a list: `{item} in [{list}]`"),
                };
                (
                    format!("`in` takes a list or a map, `{list}` is {}", a(kind)),
                    Some(help),
                )
            }
        };
        self.error("wrong_type", self.span(item).start..self.span(list).end, message, help);
        Typed::new(Node::Constant(Value::Null), Type::Bool)
    }
}

/// `left order right`, as the narrowest node.
fn comparison(order: Order, left: Node, right: Node) -> Node {
    let turned = match order {
        Order::Less => Order::Greater,
        Order::LessEqual => Order::GreaterEqual,
        Order::Greater => Order::Less,
        Order::GreaterEqual => Order::LessEqual,
        Order::Equal | Order::NotEqual => order,
    };
    let equality = matches!(order, Order::Equal | Order::NotEqual);
    match (left, right) {
        (Node::Read(path), Node::Constant(Value::Number(number))) => Node::PathCompares(path, order, number),
        (Node::Constant(Value::Number(number)), Node::Read(path)) => Node::PathCompares(path, turned, number),
        (Node::Read(path), Node::Constant(Value::String(text)))
        | (Node::Constant(Value::String(text)), Node::Read(path))
            if equality =>
        {
            Node::PathIs(path, text.into(), order == Order::NotEqual)
        }
        (left, right) => Node::Compare(order, Box::new(left), Box::new(right)),
    }
}

fn one_of(item: Node, list: Node) -> Node {
    if let (Node::Read(path), Node::Constant(Value::List(members))) = (&item, &list)
        && !members.is_empty()
        && let Some(texts) = members
            .iter()
            .map(|member| member.as_str().map(Box::from))
            .collect::<Option<Vec<_>>>()
    {
        return Node::PathOneOf(path.clone(), texts.into());
    }
    Node::In(Box::new(item), Box::new(list))
}
