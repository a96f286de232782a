//! An answer in API Gateway's payload format 2.0.

use std::collections::BTreeMap;

use latchkey_api_types::problem::CONTENT_TYPE;
use serde::Serialize;

use crate::problem::Problem;

/// An answer: JSON, or problem details.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub status_code: u16,
    pub headers: BTreeMap<&'static str, &'static str>,
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
            headers: headers.into(),
            // Our own types, with text keys alone: they always serialise.
            body: serde_json::to_string(body).unwrap_or_default(),
        }
    }
}

impl From<Problem> for Response {
    fn from(Problem(body): Problem) -> Self {
        Self::new(body.status, CONTENT_TYPE, &body)
    }
}
