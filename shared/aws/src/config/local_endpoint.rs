//! Where answers go in a local AWS.

use std::net::IpAddr;

use url::Url;

use super::{ConfigError, Environment};

/// The variable that names the local AWS, see [`LocalEndpoint`].
const LOCAL_ENDPOINT: &str = "LOCAL_ANSWER_ENDPOINT";

/// Where a local AWS takes the place of S3. Only a loopback address is accepted, so that a wrong setting cannot send
/// a deployment's answers anywhere else.
#[derive(Debug, Clone)]
pub struct LocalEndpoint(Url);

impl LocalEndpoint {
    /// Reads `LOCAL_ANSWER_ENDPOINT`; on AWS it is empty.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        let Some(text) = environment.optional_text(LOCAL_ENDPOINT) else {
            return Ok(None);
        };
        Self::parse(&text).map(Some).ok_or_else(|| ConfigError {
            variable: LOCAL_ENDPOINT,
            problem: "must be empty, or http(s):// and a loopback address for a local AWS".to_owned(),
        })
    }

    /// None of what is not http(s) on a loopback address.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let address: Option<IpAddr> = url
            .host_str()
            .and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let is_loopback = address.is_some_and(|address| address.is_loopback());
        if ["http", "https"].contains(&url.scheme())
            && is_loopback
            && url.path() == "/"
            && url.query().is_none()
        {
            Some(Self(url))
        } else {
            None
        }
    }

    /// The same object on the local AWS.
    pub fn relocate(&self, url: &Url) -> Url {
        let mut local = self.0.clone();
        local.set_path(url.path());
        local.set_query(url.query());
        local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(value: &str) -> Result<Option<LocalEndpoint>, ConfigError> {
        LocalEndpoint::from_environment(&Environment::of([(LOCAL_ENDPOINT.to_owned(), value.to_owned())]))
    }

    #[test]
    fn answers_are_sent_elsewhere_only_to_a_loopback_address() {
        assert!(endpoint("").unwrap().is_none());
        assert!(endpoint("http://127.0.0.1:4566").unwrap().is_some());
        assert!(endpoint("http://[::1]:4566").unwrap().is_some());
        assert!(endpoint("https://127.0.0.1:4566").unwrap().is_some());
        for value in [
            "http://localhost:4566",
            "http://10.0.0.1",
            "http://169.254.169.254",
            "ftp://127.0.0.1",
            "http://127.0.0.1.evil.example",
            "http://evil.example",
            "http://127.0.0.1/path",
            "127.0.0.1:4566",
            "x",
        ] {
            assert_eq!(endpoint(value).unwrap_err().variable, LOCAL_ENDPOINT, "{value}");
        }
    }
}
