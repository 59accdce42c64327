//! What docs/audit.md promises of the columns.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_export::columns;

#[test]
fn the_document_lists_every_column_in_order() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("| column | holds | of the record |").nth(1).unwrap();
    let listed: Vec<String> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            line.split('|')
                .skip(1)
                .take(2)
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let columns: Vec<String> = columns().map(|(name, kind)| format!("`{name}` {kind}")).collect();
    assert_eq!(listed, columns);
}
