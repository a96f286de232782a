//! The rules of Latchkey, free of AWS SDKs, HTTP, environment and clock.

pub mod admission;
pub mod audit;
pub mod aws;
pub mod connection;
pub mod custom_resource;
pub mod external_id;
pub mod ids;
pub mod invalid;
pub mod launch_link;
pub mod ledger;
pub mod listener_access;
pub mod pace;
pub mod permissions;
pub mod profile;
pub mod reason;
pub mod request_budget;
pub mod request_record;
pub mod response_url;
pub mod stack_set;
pub mod stack_update;
pub mod sweep;
pub mod template_version;
pub mod tiers;
pub mod verdict;
