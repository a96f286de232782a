//! An answer in API Gateway's payload format 2.0.

use std::{borrow::Cow, collections::BTreeMap};

use latchkey_api_types::problem::CONTENT_TYPE;
use serde::Serialize;

use crate::problem::Problem;

/// An answer: JSON, or problem details.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub status_code: u16,
    pub headers: BTreeMap<&'static str, Cow<'static, str>>,
    pub body: String,
}

impl Response {
    pub fn json(status_code: u16, body: &impl Serialize) -> Self {
        Self::new(status_code, "application/json", body)
    }

    fn new(status_code: u16, content_type: &'static str, body: &impl Serialize) -> Self {
        let headers = [
            ("content-type", content_type),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ];
        Self {
            status_code,
            headers: headers.map(|(name, value)| (name, value.into())).into(),
            // Our own types, with text keys alone: they always serialise.
            body: serde_json::to_string(body).unwrap_or_default(),
        }
    }

    /// Why the request `request_id` was not done.
    pub fn problem(Problem(mut body): Problem, request_id: Option<&str>) -> Self {
        body.request_id = request_id.map(str::to_owned);
        Self::new(body.status, CONTENT_TYPE, &body)
    }

    /// The same answer, which says where what was made is shown.
    #[must_use]
    pub fn at(mut self, location: String) -> Self {
        self.headers.insert("location", location.into());
        self
    }
}
