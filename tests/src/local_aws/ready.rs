//! What somebody needs to know to use a running local AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The variable that tests find the running local AWS in: the JSON of [`Ready`].
pub const READY_VARIABLE: &str = "LATCHKEY_LOCAL_AWS";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    pub endpoint: String,
    pub api_url: String,
    pub vendor_account: String,
    /// Accounts that a customer may act in; any other 12 digits will do as well.
    pub customer_accounts: Vec<String>,
    pub hub_region: String,
    pub regions: Vec<String>,
    pub topics: BTreeMap<String, String>,
    pub table: String,
    pub queue_url: String,
    pub bucket: String,
    pub template_url: String,
    /// The functions' names by their folder.
    pub functions: BTreeMap<String, String>,
    pub role_path: String,
    /// A bearer token for each tenant.
    pub tokens: BTreeMap<String, String>,
}

impl Ready {
    /// The local AWS that `cargo xtask test` started.
    pub fn from_environment() -> Result<Self, Error> {
        let json = std::env::var(READY_VARIABLE).map_err(|_| {
            format!("{READY_VARIABLE} is not set: these tests need the local AWS, run `cargo xtask test`")
        })?;
        Ok(serde_json::from_str(&json)?)
    }

    pub fn topic(&self, region: &str) -> Result<&str, Error> {
        let topic = self
            .topics
            .get(region)
            .ok_or_else(|| format!("there is no listener topic in {region}"))?;
        Ok(topic)
    }
}
