//! What is known of an agent, as a table of fields: shown, and asked for by a form.

use countersign_api::inventory::DescriptionBody;
use serde_json::{Map, Value, json};

use crate::form::Fields;
use crate::messages;
use crate::page::Trouble;
use crate::said::{Html, said};

/// How a field is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Line,
    Day,
    /// Several, one a line.
    List,
}

/// The fields, in the order of a form. Those of the boundary come last.
const FIELDS: &[(&str, Kind)] = &[
    ("purpose", Kind::Line),
    ("system", Kind::Line),
    ("technical_owner", Kind::Line),
    ("fallback_owner", Kind::Line),
    ("reviewer", Kind::Line),
    ("review_by", Kind::Day),
    ("model", Kind::Line),
    ("prompt", Kind::Line),
    ("environments", Kind::List),
    ("tools", Kind::List),
    ("data", Kind::List),
    ("boundary.process", Kind::Line),
    ("boundary.reads", Kind::List),
    ("boundary.writes", Kind::List),
    ("boundary.without_approval", Kind::List),
    ("boundary.always_approve", Kind::List),
    ("boundary.never_access", Kind::List),
    ("boundary.owning_team", Kind::Line),
];

/// One field, as it is known.
pub(super) struct Described {
    pub name: &'static str,
    pub label: &'static str,
    pub of_boundary: bool,
    /// Nothing where it is blank.
    pub shown: Html,
    /// What stands in the form.
    pub text: String,
    /// Exactly what is kept of a day.
    pub was: String,
    pub is_list: bool,
    pub is_day: bool,
}

pub(super) fn described(about: &DescriptionBody) -> Result<Vec<Described>, Trouble> {
    let about = serde_json::to_value(about).map_err(Trouble::internal)?;
    Ok(FIELDS.iter().map(|(name, kind)| one(&about, name, *kind)).collect())
}

fn one(about: &Value, name: &'static str, kind: Kind) -> Described {
    let place = format!("/{}", name.replace('.', "/"));
    let items: Vec<&str> = match about.pointer(&place) {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let was = items.join("\n");
    Described {
        name,
        label: messages::field(name),
        of_boundary: name.starts_with("boundary."),
        shown: said(&match kind {
            Kind::Day => day(&was).to_owned(),
            Kind::Line | Kind::List => items.join(", "),
        }),
        text: match kind {
            Kind::Day => day(&was).to_owned(),
            Kind::Line | Kind::List => was.clone(),
        },
        was,
        is_list: kind == Kind::List,
        is_day: kind == Kind::Day,
    }
}

/// The day of a moment, as browsers have it.
fn day(moment: &str) -> &str {
    moment.split_once('T').map_or(moment, |(day, _)| day)
}

/// What a form says of an agent: all of it, since what is left out is blank afterwards.
pub(super) fn body(fields: &Fields) -> Value {
    let (mut about, mut boundary) = (Map::new(), Map::new());
    for (name, kind) in FIELDS {
        let Some(said) = from_field(fields, name, *kind) else {
            continue;
        };
        match name.strip_prefix("boundary.") {
            Some(name) => boundary.insert(name.to_owned(), said),
            None => about.insert((*name).to_owned(), said),
        };
    }
    about.insert("boundary".to_owned(), Value::Object(boundary));
    Value::Object(about)
}

fn from_field(fields: &Fields, name: &str, kind: Kind) -> Option<Value> {
    let text = fields.given(name)?;
    Some(match kind {
        Kind::Line => json!(text),
        // A day that nobody touched keeps its hour.
        Kind::Day => match fields.text(&format!("was:{name}")) {
            was if day(was) == text => json!(was),
            _ => json!(format!("{text}T00:00:00Z")),
        },
        Kind::List => {
            let items = text.lines().map(str::trim).filter(|item| !item.is_empty());
            json!(items.collect::<Vec<_>>())
        }
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

    use super::*;

    #[test]
    fn what_is_shown_in_the_form_comes_back_as_it_was() {
        let about = json!({
            "purpose": "refunds", "review_by": "2027-01-05T10:30:00Z", "environments": ["prod", "test"],
            "tools": [], "data": [],
            "boundary": {
                "process": "support", "reads": ["crm"], "writes": ["none"], "without_approval": [],
                "always_approve": [], "never_access": ["card data", "health data"], "owning_team": "support",
            },
        });
        let typed: DescriptionBody = serde_json::from_value(about).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for field in described(&typed).unwrap() {
            form.append_pair(field.name, &field.text.replace('\n', "\r\n"));
            form.append_pair(&format!("was:{}", field.name), &field.was);
        }
        let back = body(&Fields::parse(form.finish().as_bytes()));
        let back: DescriptionBody = serde_json::from_value(back).unwrap();
        assert_eq!(
            serde_json::to_value(&back).unwrap(),
            serde_json::to_value(&typed).unwrap()
        );
    }

    #[test]
    fn another_day_is_the_beginning_of_that_day() {
        let fields = Fields::parse(b"review_by=2027-02-01&was%3Areview_by=2027-01-05T10%3A30%3A00Z");
        assert_eq!(body(&fields)["review_by"], "2027-02-01T00:00:00Z");
    }

    #[test]
    fn blank_lines_of_a_list_are_no_items() {
        let fields = Fields::parse(b"tools=+crm%2Fnote+%0A%0Acard%2Frefund%0A");
        assert_eq!(body(&fields)["tools"], json!(["crm/note", "card/refund"]));
    }
}
