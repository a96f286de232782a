//! What Latchkey does, one file for each thing that a person would name. No AWS SDK, no HTTP, no environment, no
//! system clock: all of that comes in through [`crate::ports`].

pub mod answer_stack;
pub mod disconnect;
pub mod probe_role;
pub mod recheck_role;
pub mod register_role;
pub mod revalidate;
pub mod start_connection;
pub mod verify_role;

/// How often a step that lost a race against another writer is tried again at once. Each try reads anew, so that
/// more than a few mean that something writes without end; then the step goes back to whatever delivered it.
pub const MAX_COMMIT_TRIES: usize = 5;

/// The error of a step that lost every race it is allowed.
fn contended(operation: &'static str) -> crate::ports::Unavailable {
    crate::ports::Unavailable::new(operation, "the connection was changed by others each time")
}
