//! The routes of the API, one function for each.

pub mod connections;
pub mod options;
pub mod roles;
pub mod rotation;
pub mod search;
pub mod templates;
