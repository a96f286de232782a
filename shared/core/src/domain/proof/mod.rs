//! What proves a role, what it may do, and why one is refused.

pub mod permissions;
pub mod reason;
mod reason_by_hand;
pub mod tiers;
pub mod trust_policy;
pub mod trust_report;
pub mod verdict;
