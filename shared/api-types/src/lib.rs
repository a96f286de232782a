//! What the vendor's API reads and writes: the API itself and its clients share these types.
//!
//! A request is read strictly ([`reading`]): a field that is not known, that comes twice, or that is no object where
//! one is asked for, is refused. An answer is read leniently: a client passes over fields of a later version.

#![warn(missing_docs)]

pub mod connection;
pub mod options;
pub mod organization;
pub mod page;
pub mod problem;
pub mod reading;
pub mod request;
pub mod search;
pub mod template;
