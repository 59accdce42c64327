//! `channels:` of the organization: what may be decided over which channel.

use std::collections::BTreeSet;

use super::field::Reader;
use crate::yaml::Node;

/// Reads the names of channels over which people may decide on what is of low risk, by a link of one use.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeSet<String>> {
    let mut decides = BTreeSet::new();
    for (key, node) in reader.entries(node, "channels")? {
        let (name, mut fields) = (
            reader.name(key)?,
            reader.fields(node, "what may be done over a channel")?,
        );
        let words = [("low_risk", true), ("nothing", false)];
        let word = fields.need(reader, "decide").and_then(|node| reader.word(node, &words));
        fields.finish(reader);
        decides.extend(word.filter(|low_risk| *low_risk).map(|_| name));
    }
    Some(decides)
}
