//! What Latchkey does, one file for each thing that a person would name. No AWS SDK, no HTTP, no environment, no
//! system clock: all of that comes in through [`crate::ports`].

pub mod answer_stack;
pub mod check_chunk;
pub mod disconnect;
pub mod find_connections;
pub mod keep_doors;
pub mod last_verified;
pub mod members;
pub mod probe_role;
pub mod recheck_role;
pub mod register_by_hand;
pub mod register_role;
pub mod revalidate;
pub mod rotate_external_id;
pub mod start_connection;
pub mod verify_role;

use jiff::Timestamp;

use crate::{
    domain::{
        audit::{Actor, AuditEntry},
        connection::{Connection, Event},
        request::custom_resource::RequestKey,
    },
    ports::{Change, ConnectionStore, Unavailable},
};

/// How often a step that lost a race against another writer is tried again at once. Each try reads anew, so that
/// more than a few mean that something writes without end; then the step goes back to whatever delivered it.
pub const MAX_COMMIT_TRIES: usize = 5;

/// The error of a step that lost every race it is allowed.
fn contended(operation: &'static str) -> Unavailable {
    Unavailable::new(operation, "the connection was changed by others each time")
}

/// Stores what `event`, which has `request` for its cause if any, makes of a connection, with its line in the audit
/// log. `None` where another writer came first.
async fn store_event(
    store: &dyn ConnectionStore,
    before: &Connection,
    event: Event,
    actor: Actor,
    request: Option<&RequestKey>,
    now: Timestamp,
) -> Result<Option<Connection>, Unavailable> {
    let name = event.name();
    let after = before
        .apply(event, now)
        .map_err(|error| Unavailable::new(name, error))?;
    let audit = AuditEntry::new(&after, actor, name, request, now);
    store_change(store, before, after, audit).await
}

/// Stores a connection as it shall be, with its line in the audit log. `None` where another writer came first.
async fn store_change(
    store: &dyn ConnectionStore,
    before: &Connection,
    after: Connection,
    audit: AuditEntry,
) -> Result<Option<Connection>, Unavailable> {
    let change = Change {
        before,
        after: &after,
        request: None,
        audit: Some(audit),
    };
    Ok(store.commit(change).await?.is_ok().then_some(after))
}
