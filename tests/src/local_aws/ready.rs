//! What somebody needs to know to use a running local AWS.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};

use crate::{Error, failed, sam_template::repository_path};

/// The variable that tests find the running local AWS in: the JSON of [`Ready`].
pub const READY_VARIABLE: &str = "LATCHKEY_LOCAL_AWS";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    pub endpoint: String,
    pub api_url: String,
    pub api_id: String,
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
    /// A bearer token for each tenant; none where there is no identity provider.
    pub tokens: BTreeMap<String, String>,
    /// A session of the vendor's back end, which may do everything at the vendor's door.
    pub back_end: Session,
}

/// Credentials of a role's session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Session {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

impl From<&Credentials> for Session {
    fn from(credentials: &Credentials) -> Self {
        Self {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().unwrap_or_default().to_owned(),
        }
    }
}

impl From<&Session> for Credentials {
    fn from(session: &Session) -> Self {
        let token = Some(session.session_token.clone());
        let (key, secret) = (&session.access_key_id, &session.secret_access_key);
        Self::new(key, secret, token, None, "local-session")
    }
}

impl Ready {
    /// The local AWS that `cargo xtask test` started.
    pub fn from_environment() -> Result<Self, Error> {
        let json = std::env::var(READY_VARIABLE).map_err(|_| {
            format!("{READY_VARIABLE} is not set: these tests need the local AWS, run `cargo xtask test`")
        })?;
        Ok(serde_json::from_str(&json)?)
    }

    /// One of the ready policies of `docs/policies/`, for this deployment.
    pub fn policy(&self, name: &str, tenant: &str) -> Result<String, Error> {
        let path = repository_path(&format!("docs/policies/{name}.json"));
        let text =
            std::fs::read_to_string(&path).map_err(|error| failed(&path.display().to_string(), &error))?;
        let text = text
            .replace("${Region}", &self.hub_region)
            .replace("${AccountId}", &self.vendor_account)
            .replace("${ApiId}", &self.api_id)
            .replace("${Tenant}", tenant);
        match text.contains("${") {
            true => Err(format!("{name} has a placeholder that nobody knows: {text}").into()),
            false => Ok(text),
        }
    }

    pub fn topic(&self, region: &str) -> Result<&str, Error> {
        let topic = self
            .topics
            .get(region)
            .ok_or_else(|| format!("there is no listener topic in {region}"))?;
        Ok(topic)
    }
}
