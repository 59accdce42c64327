//! Tokens to a tree: a Pratt parser over an arena, bounded in size and depth before anything else looks at it.

use std::ops::Range;

use super::lex::{Token, tokens};
use super::{Finding, MAX_DEPTH, MAX_NODES};
use crate::value::Value;

/// Index of an expression in its [`Tree`].
pub(super) type Id = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

pub(super) enum Kind {
    Literal(Value),
    Name(String),
    Field {
        base: Id,
        name: String,
    },
    Index {
        base: Id,
        index: Id,
    },
    List(Vec<Id>),
    Not(Id),
    Negate(Id),
    And(Vec<Id>),
    Or(Vec<Id>),
    /// Left-associative operators of one precedence, kept flat so that long sums are not deep trees.
    Chain {
        first: Id,
        rest: Vec<(Arith, Id)>,
    },
    Compare {
        order: Order,
        left: Id,
        right: Id,
    },
    In {
        item: Id,
        list: Id,
    },
    If {
        test: Id,
        then: Id,
        other: Id,
    },
    /// `name(…)`, or `base.name(…)`.
    Call {
        base: Option<Id>,
        name: String,
        name_span: Range<usize>,
        args: Vec<Id>,
    },
}

pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
    depth: usize,
}

/// A parsed condition. Children have smaller ids than their parents.
pub(super) struct Tree {
    exprs: Vec<Expr>,
    pub(super) root: Id,
}

static NOTHING: Expr = Expr {
    kind: Kind::Literal(Value::Null),
    span: 0..0,
    depth: 0,
};

impl Tree {
    pub(super) fn get(&self, id: Id) -> &Expr {
        self.exprs.get(id).unwrap_or(&NOTHING)
    }
}

pub(super) fn parse(source: &str) -> Result<Tree, Finding> {
    let tokens = tokens(source)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        exprs: Vec::new(),
        nesting: 0,
    };
    let root = parser.expression().map_err(|finding| *finding)?;
    let (token, span) = parser.peek();
    if *token != Token::End {
        return Err(unexpected(&token.clone(), span, "an operator or the end"));
    }
    Ok(Tree {
        exprs: parser.exprs,
        root,
    })
}

/// Findings are large; boxed, they keep the frames of the recursion small.
type Parsed = Result<Id, Box<Finding>>;

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    exprs: Vec<Expr>,
    nesting: usize,
}

static END: (Token, Range<usize>) = (Token::End, 0..0);

impl Parser {
    fn peek(&self) -> (&Token, Range<usize>) {
        let (token, span) = self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(&END);
        (token, span.clone())
    }

    fn advance(&mut self) -> (Token, Range<usize>) {
        let (token, span) = self.peek();
        let taken = (token.clone(), span);
        self.at += 1;
        taken
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().0, Token::Sign(found) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<Range<usize>, Box<Finding>> {
        let (token, span) = self.peek();
        if matches!(token, Token::Sign(found) if *found == sign) {
            self.at += 1;
            return Ok(span);
        }
        Err(Box::new(unexpected(&token.clone(), span, &format!("`{sign}`"))))
    }

    fn span(&self, id: Id) -> Range<usize> {
        self.exprs.get(id).map_or(0..0, |expr| expr.span.clone())
    }

    fn push(&mut self, kind: Kind, span: Range<usize>) -> Parsed {
        let depth_of = |id: Id| self.exprs.get(id).map_or(0, |expr| expr.depth);
        let deepest = |ids: &[Id]| ids.iter().map(|id| depth_of(*id)).max().unwrap_or(0);
        let below = match &kind {
            Kind::Literal(_) | Kind::Name(_) => 0,
            Kind::Field { base: id, .. } | Kind::Not(id) | Kind::Negate(id) => depth_of(*id),
            Kind::Index {
                base: left,
                index: right,
            }
            | Kind::Compare { left, right, .. }
            | Kind::In {
                item: left,
                list: right,
            } => depth_of(*left).max(depth_of(*right)),
            Kind::List(ids) | Kind::And(ids) | Kind::Or(ids) => deepest(ids),
            Kind::Chain { first, rest } => rest
                .iter()
                .map(|(_, id)| depth_of(*id))
                .fold(depth_of(*first), usize::max),
            Kind::If { test, then, other } => deepest(&[*test, *then, *other]),
            Kind::Call { base, args, .. } => deepest(args).max(base.map_or(0, depth_of)),
        };
        let depth = below + 1;
        if depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        if self.exprs.len() >= MAX_NODES {
            let finding = Finding::error("too_large", span, format!("a condition has at most {MAX_NODES} parts"));
            return Err(Box::new(finding.help("split it into several rules")));
        }
        self.exprs.push(Expr { kind, span, depth });
        Ok(self.exprs.len() - 1)
    }

    /// `a ? b : c`, the loosest operator. Every nesting of the source passes through here or through [`Self::unary`].
    fn expression(&mut self) -> Parsed {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(too_deep(self.peek().1));
        }
        let test = self.logic(false)?;
        let id = if self.sign("?") {
            let then = self.logic(false)?;
            self.expect(":")?;
            let other = self.expression()?;
            let span = self.span(test).start..self.span(other).end;
            self.push(Kind::If { test, then, other }, span)?
        } else {
            test
        };
        self.nesting -= 1;
        Ok(id)
    }

    /// A chain of `||`, or of `&&` where `tight`.
    fn logic(&mut self, tight: bool) -> Parsed {
        let first = if tight { self.relation()? } else { self.logic(true)? };
        let mut operands = vec![first];
        while self.sign(if tight { "&&" } else { "||" }) {
            operands.push(if tight { self.relation()? } else { self.logic(true)? });
        }
        let Some(last) = operands.last().copied().filter(|last| *last != first) else {
            return Ok(first);
        };
        let span = self.span(first).start..self.span(last).end;
        self.push(if tight { Kind::And(operands) } else { Kind::Or(operands) }, span)
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.chain(false)?;
        loop {
            let order = match self.peek().0 {
                Token::Sign("<") => Some(Order::Less),
                Token::Sign("<=") => Some(Order::LessEqual),
                Token::Sign(">") => Some(Order::Greater),
                Token::Sign(">=") => Some(Order::GreaterEqual),
                Token::Sign("==") => Some(Order::Equal),
                Token::Sign("!=") => Some(Order::NotEqual),
                Token::Name(name) if name == "in" => None,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.chain(false)?;
            let span = self.span(left).start..self.span(right).end;
            let kind = match order {
                Some(order) => Kind::Compare { order, left, right },
                None => Kind::In {
                    item: left,
                    list: right,
                },
            };
            left = self.push(kind, span)?;
        }
    }

    /// A chain of `+` and `-`, or of `*`, `/` and `%` where `tight`.
    fn chain(&mut self, tight: bool) -> Parsed {
        let first = if tight { self.unary()? } else { self.chain(true)? };
        let mut rest = Vec::new();
        loop {
            let arith = match (self.peek().0, tight) {
                (Token::Sign("+"), false) => Arith::Add,
                (Token::Sign("-"), false) => Arith::Subtract,
                (Token::Sign("*"), true) => Arith::Multiply,
                (Token::Sign("/"), true) => Arith::Divide,
                (Token::Sign("%"), true) => Arith::Remainder,
                _ => break,
            };
            self.at += 1;
            rest.push((arith, if tight { self.unary()? } else { self.chain(true)? }));
        }
        let Some((_, last)) = rest.last() else { return Ok(first) };
        let span = self.span(first).start..self.span(*last).end;
        self.push(Kind::Chain { first, rest }, span)
    }

    fn unary(&mut self) -> Parsed {
        let mut signs = Vec::new();
        while let (Token::Sign(sign @ ("!" | "-")), span) = self.peek() {
            signs.push((*sign, span));
            self.at += 1;
            if signs.len() > MAX_DEPTH {
                return Err(too_deep(self.peek().1));
            }
        }
        let mut id = self.member()?;
        for (sign, span) in signs.into_iter().rev() {
            let span = span.start..self.span(id).end;
            let negated = match self.exprs.get(id).map(|expr| &expr.kind) {
                Some(Kind::Literal(Value::Number(number))) if sign == "-" => Some(-*number),
                _ => None,
            };
            id = match negated {
                Some(number) => self.push(Kind::Literal(Value::Number(number)), span)?,
                None => self.push(if sign == "!" { Kind::Not(id) } else { Kind::Negate(id) }, span)?,
            };
        }
        Ok(id)
    }

    fn member(&mut self) -> Parsed {
        let mut id = self.primary()?;
        loop {
            let start = self.span(id).start;
            if self.sign(".") {
                let (token, name_span) = self.advance();
                let Token::Name(name) = token else {
                    return Err(Box::new(unexpected(&token, name_span, "a field name")));
                };
                id = if self.sign("(") {
                    let (args, end) = self.list(")")?;
                    self.push(
                        Kind::Call {
                            base: Some(id),
                            name,
                            name_span,
                            args,
                        },
                        start..end,
                    )?
                } else {
                    self.push(Kind::Field { base: id, name }, start..name_span.end)?
                };
            } else if self.sign("[") {
                let index = self.expression()?;
                let end = self.expect("]")?.end;
                id = self.push(Kind::Index { base: id, index }, start..end)?;
            } else {
                return Ok(id);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let (token, span) = self.advance();
        match token {
            Token::Number(number) => self.push(Kind::Literal(Value::Number(number)), span),
            Token::Text(text) => self.push(Kind::Literal(Value::String(text)), span),
            Token::Name(name) => match name.as_str() {
                "true" => self.push(Kind::Literal(Value::Bool(true)), span),
                "false" => self.push(Kind::Literal(Value::Bool(false)), span),
                "null" => self.push(Kind::Literal(Value::Null), span),
                "in" => Err(Box::new(unexpected(&Token::Name(name), span, "a value"))),
                "not" => {
                    let finding = Finding::syntax(span, "`not` is not an operator").help("did you mean `!(…)`?");
                    Err(Box::new(finding))
                }
                _ if self.sign("(") => {
                    let (args, end) = self.list(")")?;
                    let kind = Kind::Call {
                        base: None,
                        name,
                        name_span: span.clone(),
                        args,
                    };
                    self.push(kind, span.start..end)
                }
                _ => self.push(Kind::Name(name), span),
            },
            Token::Sign("(") => {
                let id = self.expression()?;
                let end = self.expect(")")?.end;
                // The parentheses belong to the text that messages underline.
                if let Some(expr) = self.exprs.get_mut(id) {
                    expr.span = span.start..end;
                }
                Ok(id)
            }
            Token::Sign("[") => {
                let (items, end) = self.list("]")?;
                self.push(Kind::List(items), span.start..end)
            }
            Token::Sign("{") => Err(Box::new(Finding::syntax(
                span,
                "map literals are not part of conditions",
            ))),
            token => Err(Box::new(unexpected(&token, span, "a value"))),
        }
    }

    /// What stands between an opened bracket and `close`, and where `close` ends.
    fn list(&mut self, close: &str) -> Result<(Vec<Id>, usize), Box<Finding>> {
        let mut items = Vec::new();
        loop {
            if matches!(self.peek().0, Token::Sign(sign) if *sign == close) {
                break;
            }
            items.push(self.expression()?);
            if !self.sign(",") {
                break;
            }
        }
        Ok((items, self.expect(close)?.end))
    }
}

fn too_deep(span: Range<usize>) -> Box<Finding> {
    let message = format!("a condition is nested at most {MAX_DEPTH} deep");
    Box::new(Finding::error("too_deep", span, message).help("split it into several rules"))
}

fn unexpected(token: &Token, span: Range<usize>, wanted: &str) -> Finding {
    let found = match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Number(number) => format!("`{number}`"),
        Token::Text(_) => "a string".to_owned(),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "the end".to_owned(),
    };
    let finding = Finding::syntax(span, format!("expected {wanted}, found {found}"));
    let Token::Name(name) = token else { return finding };
    match name.to_ascii_lowercase().as_str() {
        "and" => finding.help("did you mean `&&`?"),
        "or" => finding.help("did you mean `||`?"),
        "not" => finding.help("did you mean `!`?"),
        "is" | "eq" | "equals" => finding.help("did you mean `==`?"),
        "if" | "then" | "else" => finding.help("write `test ? one : other`"),
        _ => finding,
    }
}
