//! Which form an item has, so that code never misreads what later code wrote.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use latchkey_core::ports::Unavailable;

/// The attribute with the schema version that an item was written in. One without it is from 0.1.0.
pub const SCHEMA: &str = "schema";
/// The schema version that items are written in. A change of an item's form that this code would
/// misread raises it. `tests/fixtures/table-0.1.0.json` is a table without it.
pub const SCHEMA_VERSION: u32 = 1;

/// Marks an item that is about to be put.
pub(super) fn stamp(item: &mut HashMap<String, AttributeValue>) {
    item.insert(SCHEMA.to_owned(), AttributeValue::N(SCHEMA_VERSION.to_string()));
}

/// Refuses an item that later code wrote: its attributes may not mean here what they meant there.
/// The entries of the sweep index do not project the schema version, and are not checked.
pub(super) fn check(item: &HashMap<String, AttributeValue>) -> Result<(), Unavailable> {
    let Some(value) = item.get(SCHEMA) else {
        return Ok(());
    };
    let version = value.as_n().ok().and_then(|text| text.parse::<u32>().ok());
    if version.is_some_and(|version| version <= SCHEMA_VERSION) {
        return Ok(());
    }
    let told = format!(
        "an item has the schema version {value:?}, and this release knows {SCHEMA_VERSION} at most: deploy \
         the release that wrote it, or a later one"
    );
    Err(Unavailable::new("dynamodb.read_item", told))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::dynamodb::items::{Item, Key, from_item, number, text, to_item};
    use latchkey_core::domain::connection::Connection;
    use latchkey_testing::{
        builders::{pending, tenant},
        sequential_ids::SequentialIds,
    };

    fn connection() -> (Connection, Item) {
        let connection = pending(&tenant("acme"), &SequentialIds::default(), Timestamp::UNIX_EPOCH);
        let key = Key::connection(connection.tenant(), connection.id());
        let item = to_item(key, &connection).unwrap();
        (connection, item)
    }

    fn with(value: AttributeValue) -> Item {
        let (_, mut item) = connection();
        item.insert(SCHEMA.to_owned(), value);
        item
    }

    #[test]
    fn what_is_written_says_its_schema_version() {
        let (written, item) = connection();
        assert_eq!(item[SCHEMA], number(SCHEMA_VERSION));
        assert_eq!(from_item::<Connection>(item).unwrap(), written);
    }

    #[test]
    fn an_item_without_a_schema_version_is_read() {
        let (written, mut item) = connection();
        item.remove(SCHEMA);
        assert_eq!(from_item::<Connection>(item).unwrap(), written);
        assert!(check(&HashMap::new()).is_ok());
    }

    #[test]
    fn an_item_of_a_later_release_is_refused() {
        for value in [number(SCHEMA_VERSION + 1), text("1"), number("1.5"), number(-1)] {
            let error = from_item::<Connection>(with(value.clone())).unwrap_err();
            let told = error.source.to_string();
            assert!(
                told.contains("schema version") && told.contains("deploy"),
                "{value:?}: {told}"
            );
        }
    }
}
