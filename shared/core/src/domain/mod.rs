//! The rules of Latchkey, free of AWS SDKs, HTTP, environment and clock.

pub mod audit;
pub mod aws;
pub mod connection;
pub mod external_id;
pub mod ids;
pub mod instructions;
pub mod invalid;
pub mod listener_access;
pub mod plain_text;
pub mod profile;
pub mod proof;
pub mod request;
pub mod sweep;
pub mod template_version;
