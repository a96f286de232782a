//! One module for each door.

mod api;
mod messages;
mod names;
mod permissions;
mod stored;
mod urls;

/// Inputs of each target in an ordinary run: about a second each.
const INPUTS: usize = 4_000;
