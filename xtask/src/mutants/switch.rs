//! All mutants in one program: a broken function becomes a choice between what it says and each of its changes, made by
//! the environment when the program runs. So a part is compiled once for hundreds of mutants, not once for each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::list::{Mutant, Span};

/// What the root of a broken crate gets, so that its functions can ask which mutant runs; without one, none does.
pub const SWITCH: &str = r#"
static MUTANT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
pub(crate) fn mutant() -> usize {
    *MUTANT.get_or_init(|| std::env::var("MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(usize::MAX))
}
"#;

/// A file with its mutants behind the switch.
#[derive(Default)]
pub struct Switched {
    /// The new text.
    pub text: String,
    /// The lines of each mutant in it, counted from 1, so that what the compiler refuses can be told.
    pub lines: Vec<(Range<usize>, usize)>,
    /// Those that no switch can be put before, since they stand in a constant, in another function, or in a function of a
    /// kind that the switch does not fit: they are tried one at a time.
    pub alone: Vec<usize>,
}

/// Puts the mutants of `file` behind the switch, without the `left_out`; a mutant's number is its place in `mutants`.
pub fn switched(source: &str, file: &str, mutants: &[Mutant], left_out: &BTreeSet<usize>) -> Switched {
    let offsets = Offsets::of(source);
    let mut switched = Switched::default();
    let mut functions: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (id, mutant) in mutants.iter().enumerate() {
        if mutant.file != file || left_out.contains(&id) {
            continue;
        }
        match mutant.function.and_then(|function| offsets.range(function)) {
            Some(function) => functions.entry((function.start, function.end)).or_default().push(id),
            None => switched.alone.push(id),
        }
    }
    let mut done = 0;
    for ((start, end), ids) in functions {
        let body = source.get(start..end).and_then(body).map(|at| start + at);
        let Some(body) = body.filter(|_| start >= done) else {
            switched.alone.extend(ids);
            continue;
        };
        switched.text.push_str(&source[done..body]);
        switched.text.push_str("{ match crate::mutant() {\n");
        for id in ids {
            let span = mutants.get(id).and_then(|mutant| offsets.range(mutant.span));
            let Some(span) = span.filter(|span| body <= span.start && span.end <= end) else {
                switched.alone.push(id);
                continue;
            };
            let first = line(&switched.text);
            let replacement = &mutants[id].replacement;
            let (before, behind) = (&source[body..span.start], &source[span.end..end]);
            switched
                .text
                .push_str(&format!("{id} => {before} {replacement} {behind}\n"));
            switched.lines.push((first..line(&switched.text), id));
        }
        switched.text.push_str(&format!("_ => {}\n}} }}", &source[body..end]));
        done = end;
    }
    switched.text.push_str(&source[done..]);
    switched
}

/// A file with one mutant in the place of what it changes.
pub fn replaced(source: &str, mutant: &Mutant) -> Option<String> {
    let span = Offsets::of(source).range(mutant.span)?;
    let (before, behind) = (source.get(..span.start)?, source.get(span.end..)?);
    Some(format!("{before} {} {behind}", mutant.replacement))
}

/// The line that the next character stands in.
fn line(text: &str) -> usize {
    text.matches('\n').count() + 1
}

/// Where the body of a function begins: its first brace that is in no comment, text, attribute or parenthesis. Nothing for
/// functions that a `match` cannot stand in: constant ones, and those whose type is told by what they return.
fn body(function: &str) -> Option<usize> {
    let bytes = function.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    let mut signature = String::new();
    while let Some(&byte) = bytes.get(at) {
        let rest = &function[at..];
        let skipped = match byte {
            b'/' if rest.starts_with("//") => rest.find('\n')?,
            b'"' => text(rest)?,
            b'(' | b'[' => {
                depth += 1;
                1
            }
            b')' | b']' => {
                depth = depth.checked_sub(1)?;
                1
            }
            b'{' if depth == 0 => {
                let words: Vec<&str> = signature.split_whitespace().collect();
                let fits = !words.contains(&"const") && !signature.contains("-> impl");
                return fits.then_some(at);
            }
            _ => rest.chars().next()?.len_utf8(),
        };
        if depth == 0 && !matches!(byte, b'/' | b'"') {
            signature.push_str(&rest[..skipped]);
        }
        at += skipped;
    }
    None
}

/// The length of the text in quotes at the start.
fn text(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Where the lines of a text begin.
struct Offsets<'a> {
    lines: Vec<(usize, &'a str)>,
}

impl<'a> Offsets<'a> {
    fn of(source: &'a str) -> Self {
        let mut at = 0;
        let lines = source.split_inclusive('\n').map(|line| {
            let begin = at;
            at += line.len();
            (begin, line)
        });
        Offsets { lines: lines.collect() }
    }

    fn range(&self, span: Span) -> Option<Range<usize>> {
        let range = self.offset(span.start)?..self.offset(span.end)?;
        (range.start <= range.end).then_some(range)
    }

    fn offset(&self, (line, column): (usize, usize)) -> Option<usize> {
        let (begin, text) = self.lines.get(line.checked_sub(1)?)?;
        let within = match text.char_indices().nth(column.checked_sub(1)?) {
            Some((within, _)) => within,
            None => text.len(),
        };
        Some(begin + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "/// Says `{`.\n#[must_use]\nfn less(a: [u8; { 1 }], b: &str) -> bool {\n    a.len() < b.len()\n}\nconst fn one() -> u8 {\n    2 - 1\n}\n";

    fn mutant(line: usize, columns: Range<usize>, function: Span, replacement: &str) -> Mutant {
        Mutant {
            name: String::new(),
            file: "a.rs".to_owned(),
            span: Span {
                start: (line, columns.start),
                end: (line, columns.end),
            },
            function: Some(function),
            replacement: replacement.to_owned(),
        }
    }

    fn both() -> Vec<Mutant> {
        let less = Span {
            start: (1, 1),
            end: (5, 2),
        };
        let one = Span {
            start: (6, 1),
            end: (8, 2),
        };
        vec![mutant(4, 13..14, less, "=="), mutant(7, 7..8, one, "+")]
    }

    #[test]
    fn a_function_becomes_a_choice_between_what_it_says_and_its_changes() {
        let switched = switched(SOURCE, "a.rs", &both(), &BTreeSet::new());
        let expected = "fn less(a: [u8; { 1 }], b: &str) -> bool { match crate::mutant() {\n0 => {\n    a.len()  ==  b.len()\n}\n_ => {\n    a.len() < b.len()\n}\n} }\nconst fn one()";
        assert!(switched.text.contains(expected), "{}", switched.text);
        assert_eq!(switched.lines, [(4..7, 0)]);
        assert_eq!(switched.alone, [1], "a constant function cannot ask");
    }

    #[test]
    fn what_is_left_out_stays_as_it_is() {
        let all = BTreeSet::from([0, 1]);
        let switched = switched(SOURCE, "a.rs", &both(), &all);
        assert_eq!(switched.text, SOURCE);
        assert!(switched.lines.is_empty() && switched.alone.is_empty());
    }

    #[test]
    fn alone_a_change_stands_in_the_place_of_what_it_changes() {
        let mutants = both();
        let text = mutants.get(1).and_then(|mutant| replaced(SOURCE, mutant));
        assert!(text.is_some_and(|text| text.contains("2  +  1")));
    }
}
