//! Policy documents on a page: lines with their numbers and what a check finds beside them, and what two versions differ in.

use std::fmt::Write as _;

use countersign_api::policies::{PolicyCheckAnswer, PolicyProblem, UntriedRule};

use super::policies::word;
use crate::api::Quoted;
use crate::said::{Html, said};

/// So many lines of a document are shown, and about so many bytes; the rest is behind the API.
const LINES_AT_MOST: usize = 1200;
const BYTES_AT_MOST: usize = 56 * 1024;

/// A document with findings beside its lines.
pub(super) struct Listing {
    pub name: Html,
    pub lines: Html,
    pub more: usize,
}

/// A rule that no test tries on both sides.
pub(super) struct Missing {
    pub rule: Html,
    pub place: Html,
    pub href: String,
    pub untried: Html,
}

/// One thing in which two versions differ.
pub(super) struct Difference {
    pub sentence: Html,
    pub direction: &'static str,
    pub tone: &'static str,
    pub document: Html,
    pub outside: bool,
}

/// The lines of a document. Each can be linked to by its number.
pub(super) fn listing(name: &str, text: &str, checked: Option<&PolicyCheckAnswer>) -> Listing {
    let mut html = String::from("<ol class=\"numbered\">");
    let problems = checked.map_or(&[][..], |found| &found.problems);
    let untried = checked.map_or(&[][..], |found| &found.untried);
    let mut shown = 0;
    for (at, line) in text.lines().take(LINES_AT_MOST).enumerate() {
        if html.len() > BYTES_AT_MOST {
            break;
        }
        let number = at + 1;
        shown = number;
        let here = |line: u32| usize::try_from(line).is_ok_and(|line| line == number);
        let _ = write!(html, "<li id=\"l{number}\"><code>{}</code>", said(line));
        for found in problems.iter().filter(|found| found.file == name && here(found.line)) {
            html += &finding(found);
        }
        for rule in untried.iter().filter(|rule| rule.file == name && here(rule.line)) {
            let sides = said(&rule.untried.join(", "));
            let _ = write!(html, "<p class=\"line-note quiet\">No test tries: {sides}</p>");
        }
        html += "</li>";
    }
    Listing {
        name: said(name),
        lines: Html::of_ours(html + "</ol>"),
        more: text.lines().count().saturating_sub(shown),
    }
}

/// A finding, as it stands below its line.
pub(super) fn finding(found: &PolicyProblem) -> String {
    let (tone, kind) = match found.severity.as_str() {
        "error" => ("bad", "error"),
        _other => ("warn", "warning"),
    };
    let help = found
        .help
        .as_deref()
        .map(|help| format!("<br>{}", said(help)))
        .unwrap_or_default();
    format!(
        "<p class=\"line-note\"><span class=\"badge {tone}\">{kind}</span> {}{help}<br><span class=\"quiet\">{} \
         (<code>{}</code>, column {})</span></p>",
        said(&found.message),
        said(&found.why),
        said(&found.code),
        found.column
    )
}

pub(super) fn missing(hash: &str, rule: &UntriedRule) -> Missing {
    Missing {
        rule: said(&format!("{}#{}", rule.document, rule.rule)),
        place: said(&format!("{}:{}", rule.file, rule.line)),
        href: format!("/policies/{hash}?file={}#l{}", Quoted(&rule.file), rule.line),
        untried: said(&rule.untried.join(", ")),
    }
}

pub(super) fn difference(known: &countersign_api::simulate::Difference) -> Difference {
    let direction = word(&known.direction);
    let (direction, tone) = match direction.as_str() {
        "looser" => ("looser", "warn"),
        "stricter" => ("stricter", "good"),
        _other => ("depends", "quiet"),
    };
    Difference {
        sentence: said(&known.sentence),
        direction,
        tone,
        document: said(&known.document),
        outside: known.outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: u32) -> PolicyProblem {
        PolicyProblem {
            severity: "error".into(),
            code: "unknown_field".into(),
            file: "a.yaml".into(),
            line,
            column: 3,
            message: "there is no `<b>`".into(),
            help: None,
            why: "it would mean nothing".into(),
            excerpt: String::new(),
        }
    }

    #[test]
    fn a_finding_stands_below_its_line_and_markup_in_it_is_text() {
        let checked = PolicyCheckAnswer {
            hash: None,
            problems: vec![found(2)],
            failed_tests: Vec::new(),
            untried: Vec::new(),
            ok: false,
        };
        let html = listing("a.yaml", "one\n<two>\nthree", Some(&checked)).lines.to_string();
        let second = html.split("<li id=\"l2\">").nth(1).unwrap_or_default();
        let second = second.split("</li>").next().unwrap_or_default();
        assert!(second.starts_with("<code>&lt;two&gt;</code>"), "{html}");
        assert!(second.contains("there is no `&lt;b&gt;`"), "{html}");
        assert!(
            !listing("b.yaml", "one\ntwo", Some(&checked))
                .lines
                .to_string()
                .contains("badge")
        );
    }

    #[test]
    fn of_a_long_document_the_rest_is_counted() {
        assert_eq!(listing("a.yaml", &"x\n".repeat(LINES_AT_MOST + 7), None).more, 7);
    }
}
