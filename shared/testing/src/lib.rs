//! Fakes of every port, builders, and the contract suite of the store. For tests and benchmarks only.
//!
//! The fakes share one [`faults::Faults`], so that a test can make any call of a flow fail, before or after it took
//! effect, or slip another step in front of it. Nothing in here waits: each future is ready at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fake that is used wrongly stops its test"
)]

pub mod builders;
pub mod cloudformation_bucket;
pub mod customer_stack;
pub mod dynamodb_stub;
pub mod faults;
pub mod http;
pub mod in_memory_store;
pub mod manual_clock;
pub mod recording_queue;
pub mod runtime_api;
pub mod scripted_sts;
pub mod sequential_ids;
pub mod store_contract;
pub mod topic_policies;
pub mod world;

/// Anything that goes wrong ends a test or a measurement; its text is all that matters.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
