//! The one table (docs/ARCHITECTURE.md, "Data").

mod backfill;
mod commit;
mod grants;
mod items;
mod known_topics;
mod ledger;
mod schema;
mod search;
mod store;
mod sweep;
mod templates;

use latchkey_core::domain::sweep::SweepPlan;

pub use schema::{SCHEMA, SCHEMA_VERSION};

/// How long a request's record and a deleted resource are remembered, in seconds: longer than any queue or
/// dead-letter queue could hand a message out again (14 days at most).
const REQUEST_RETENTION_SECONDS: i64 = 15 * 24 * 3_600;

/// The table, seen through the ports.
pub struct DynamoDbStore {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
    audit_retention_days: u32,
    sweep_plan: SweepPlan,
}

impl DynamoDbStore {
    /// The table named `table`. Audit entries are kept for `audit_retention_days`; a live connection is put into the
    /// slot of the deployment's `sweep_plan`, whichever function writes it.
    pub fn new(
        config: &aws_types::SdkConfig,
        table: String,
        audit_retention_days: u32,
        sweep_plan: SweepPlan,
    ) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            table,
            audit_retention_days,
            sweep_plan,
        }
    }

    /// The table for a function that reads the sweep index and makes no audit entry.
    pub fn for_sweeping(config: &aws_types::SdkConfig, table: String, sweep_plan: SweepPlan) -> Self {
        Self::new(config, table, 0, sweep_plan)
    }
}
