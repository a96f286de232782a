//! What somebody needs to know to use a running local AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The variable that tests find the running local AWS in: the JSON of [`Ready`].
pub const READY_VARIABLE: &str = "LATCHKEY_LOCAL_AWS";

/// Where everything is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// The endpoint of all AWS services.
    pub endpoint: String,
    /// The base URL of the vendor's API.
    pub api_url: String,
    /// The vendor's account id.
    pub vendor_account: String,
    /// Accounts that a customer may act in; any other 12 digits will do as well.
    pub customer_accounts: Vec<String>,
    /// The region that everything but the topics is in.
    pub hub_region: String,
    /// Where customers can launch.
    pub regions: Vec<String>,
    /// The listener topic of each region.
    pub topics: BTreeMap<String, String>,
    /// The table's name.
    pub table: String,
    /// The queue of verifications.
    pub queue_url: String,
    /// The bucket of customer templates.
    pub bucket: String,
    /// The published customer template.
    pub template_url: String,
    /// The functions' names by their folder.
    pub functions: BTreeMap<String, String>,
    /// The vendor's roles' path.
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

    /// The listener topic of a region.
    pub fn topic(&self, region: &str) -> Result<&str, Error> {
        let topic = self
            .topics
            .get(region)
            .ok_or_else(|| format!("there is no listener topic in {region}"))?;
        Ok(topic)
    }
}
