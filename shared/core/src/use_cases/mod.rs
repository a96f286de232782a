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
pub mod search_all_tenants;
pub mod served_regions;
pub mod start_connection;
pub mod verify_role;
pub mod watch_template;

use jiff::Timestamp;

use crate::{
    domain::{
        audit::Actor,
        connection::{Connection, Event},
        request::custom_resource::RequestKey,
    },
    ports::{Change, CommitError, ConnectionStore, Unavailable},
};

/// How often a step that lost a race against another writer is tried again at once. Each try reads anew, so that
/// more than a few mean that something writes without end; then the step goes back to whatever delivered it.
pub const MAX_COMMIT_TRIES: usize = 5;

/// Tries `step` until it comes to something. `None` means that another writer came first: the next try reads anew.
async fn retry_commit<T, E: From<Unavailable>>(
    operation: &'static str,
    mut step: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<T, E> {
    for _ in 0..MAX_COMMIT_TRIES {
        if let Some(done) = step().await? {
            return Ok(done);
        }
    }
    Err(Unavailable::new(operation, "the connection was changed by others each time").into())
}

/// Stores a change. `false` where another writer came first.
async fn is_stored(store: &dyn ConnectionStore, change: Change<'_>) -> Result<bool, Unavailable> {
    match store.commit(change).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Unavailable(error)) => Err(error),
    }
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
    let change = Change::new(before, &after).audited(actor, name, request, now);
    Ok(is_stored(store, change).await?.then_some(after))
}
