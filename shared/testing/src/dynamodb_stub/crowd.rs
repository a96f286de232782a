//! Very many connections that take hardly any room: each follows from its number and from the item of one that is real.

use std::{collections::HashMap, ops::Range};

use serde_json::{Value, json};

use super::table::{CONNECTION_PREFIX, FILED_UNDER, Key, SWEEP_SLOT, TENANT_PREFIX, text};

/// How the sort key of each begins, before its number.
const SORT_KEY: &str = "CONN#conn_a";

/// The id of a connection.
pub fn id(number: u32) -> String {
    format!("conn_a{number:023}")
}

/// The external ID of a connection.
pub fn external_id(number: u32) -> String {
    format!("e{number:031}")
}

/// The role of a connection: each has an account of its own.
pub fn role_arn(number: u32) -> String {
    let account = 100_000_000_000_u64 + u64::from(number);
    format!("arn:aws:iam::{account}:role/latchkey/LatchkeyConnection")
}

/// The tenant of a connection, of `size` that each has; the first one is the tenant that the real connection is of.
pub fn tenant(first: &str, size: u32, number: u32) -> String {
    match number / size {
        0 => first.to_owned(),
        other => format!("org_{other:08}"),
    }
}

/// The number of the connection with this sort key, if it is one of a crowd.
pub fn number_of_sort_key(sk: &str) -> Option<u32> {
    sk.strip_prefix(SORT_KEY)?.parse().ok()
}

/// The connections. Where one of them is written, the table has it itself.
pub struct Crowd {
    original: Value,
    tenant: String,
    count: u32,
    tenant_size: u32,
    slot: Box<dyn Fn(u32) -> String + Send + Sync>,
    slots: HashMap<String, Vec<u32>>,
}

impl Crowd {
    /// `count` connections like the active one whose item is `original`, `tenant_size` in each tenant, and each in the
    /// slot of the sweep that `slot` says.
    pub fn new(
        original: Value,
        count: u32,
        tenant_size: u32,
        slot: impl Fn(u32) -> String + Send + Sync + 'static,
    ) -> Self {
        let mut slots: HashMap<String, Vec<u32>> = HashMap::new();
        for number in 0..count {
            slots.entry(slot(number)).or_default().push(number);
        }
        Self {
            tenant: text(&original, "tenant").to_owned(),
            original,
            count,
            tenant_size,
            slot: Box::new(slot),
            slots,
        }
    }

    fn tenant(&self, number: u32) -> String {
        tenant(&self.tenant, self.tenant_size, number)
    }

    /// Where a connection stands.
    pub(super) fn key(&self, number: u32) -> Key {
        (
            format!("{TENANT_PREFIX}{}", self.tenant(number)),
            format!("{CONNECTION_PREFIX}{}", id(number)),
        )
    }

    /// The number of the connection that stands there.
    pub(super) fn number(&self, key: &Key) -> Option<u32> {
        let number = number_of_sort_key(&key.1).filter(|number| *number < self.count)?;
        (self.key(number) == *key).then_some(number)
    }

    /// These attributes of a connection, or all of them.
    pub(super) fn item(&self, number: u32, names: Option<&[&str]>) -> Value {
        let (tenant, id, external_id) = (self.tenant(number), id(number), external_id(number));
        let role = role_arn(number);
        let others = [
            (text(&self.original, "id"), id.as_str()),
            (text(&self.original, "external_id"), &external_id),
            (text(&self.original, "sweep_role"), &role),
            (&self.tenant, &tenant),
        ];
        let attributes = self.original.as_object().into_iter().flatten();
        let wanted = attributes.filter(|(name, _)| names.is_none_or(|names| names.contains(&name.as_str())));
        wanted
            .map(|(name, value)| match name.as_str() {
                SWEEP_SLOT => (name.clone(), json!({ "S": (self.slot)(number) })),
                _ => (name.clone(), replaced(value, &others)),
            })
            .collect()
    }

    /// The connections of a partition of the table or of an index, from this sort key on, in order.
    pub(super) fn numbers<'a>(
        &'a self,
        attribute: &str,
        partition: &str,
        from: &str,
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let first = match from.strip_prefix(SORT_KEY) {
            Some(number) => number.parse().unwrap_or(0),
            None if from < SORT_KEY => 0,
            None => self.count,
        };
        let tenant = match attribute {
            SWEEP_SLOT => {
                let slot = self.slots.get(partition).map(Vec::as_slice).unwrap_or_default();
                let begin = slot.partition_point(|number| *number < first);
                return Box::new(slot[begin..].iter().copied());
            }
            FILED_UNDER => {
                let of_original = text(&self.original, FILED_UNDER).strip_suffix(self.tenant.as_str());
                of_original.and_then(|filing| partition.strip_prefix(filing))
            }
            _ => partition.strip_prefix(TENANT_PREFIX),
        };
        let range = tenant.map_or(0..0, |tenant| self.of_tenant(tenant));
        Box::new(range.start.max(first)..range.end)
    }

    fn of_tenant(&self, tenant: &str) -> Range<u32> {
        let index = match tenant.strip_prefix("org_") {
            _ if tenant == self.tenant => Some(0),
            Some(index) => index.parse::<u32>().ok(),
            None => None,
        };
        let begin = index.map_or(self.count, |index| index.saturating_mul(self.tenant_size));
        begin..begin.saturating_add(self.tenant_size).min(self.count)
    }
}

/// A value with other texts in the place of those that stand alone in it or after the last `#` of a key.
fn replaced(value: &Value, others: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let mut parts = others.iter().filter_map(|(from, to)| {
                let before = text.strip_suffix(from)?;
                (before.is_empty() || before.ends_with('#')).then(|| format!("{before}{to}"))
            });
            parts.next().map_or_else(|| value.clone(), Value::String)
        }
        Value::Array(values) => values.iter().map(|value| replaced(value, others)).collect(),
        Value::Object(entries) => {
            let entries = entries.iter();
            entries
                .map(|(name, value)| (name.clone(), replaced(value, others)))
                .collect()
        }
        _ => value.clone(),
    }
}
