//! What a form brings: names and texts, each name once.

use std::collections::BTreeMap;

/// The fields of a form or a query. Of a name that comes more than once, all texts are kept, in order.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(bytes: &[u8]) -> Fields {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, text) in url::form_urlencoded::parse(bytes) {
            // Browsers send line ends as CR LF.
            let text = text.replace("\r\n", "\n");
            fields.entry(name.into_owned()).or_default().push(text);
        }
        Fields(fields)
    }

    /// The text of a field; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .get(name)
            .and_then(|texts| texts.first())
            .map_or("", String::as_str)
    }

    /// The text of a field without spaces around it, if there is any.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    /// All texts of a field.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every field with each of its texts.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.0.iter()).flat_map(|(name, texts)| texts.iter().map(move |text| (name.as_str(), text.as_str())))
    }

    /// Names and texts of fields whose name begins so, without that beginning.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = move |(name, texts): (&'a String, &'a Vec<String>)| {
            Some((name.strip_prefix(prefix)?, texts.first().map_or("", String::as_str)))
        };
        self.0.iter().filter_map(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_a_browser_sends_them() {
        let fields = Fields::parse(b"comment=too+much%0D%0Ayes&set%2Famount=3&pick=a&pick=b&blank=+");
        assert_eq!(fields.text("comment"), "too much\nyes");
        assert_eq!(fields.all("pick"), ["a", "b"]);
        assert_eq!(fields.given("blank"), None);
        assert_eq!(fields.under("set").collect::<Vec<_>>(), [("/amount", "3")]);
    }
}
