//! The domain's larger tests, over the builders that all tests share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod admission;
mod connection;
mod custom_resource;
mod outcome_codes;
mod request_record;
