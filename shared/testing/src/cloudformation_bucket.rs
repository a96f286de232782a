//! CloudFormation's response bucket: it knows which URLs CloudFormation signed, and reads the first answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use latchkey_core::{
    domain::{
        aws::StackId,
        request::{
            custom_resource::{MAX_ANSWER_BYTES, MAX_PHYSICAL_RESOURCE_ID_BYTES, RequestKey},
            response_url::ResponseUrl,
        },
    },
    ports::{AnswerSender, Clock, Delivery, Unavailable},
};
use serde_json::Value;

use super::{
    faults::{Faults, Operation},
    manual_clock::ManualClock,
};

/// How long a signed URL works, in seconds, as seen on AWS.
pub const SIGNED_FOR_SECONDS: i64 = 7_200;

/// What a stack was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackAnswer {
    pub success: bool,
    pub reason: Option<String>,
    /// The id that the resource has from now on.
    pub physical_resource_id: String,
    pub data: Option<Value>,
}

impl StackAnswer {
    pub fn failed_with(&self, code: latchkey_core::domain::proof::reason::ReasonCode) -> bool {
        let tag = format!("[{}]", code.as_str());
        !self.success && self.reason.as_ref().is_some_and(|reason| reason.ends_with(&tag))
    }
}

pub struct CloudFormationBucket {
    clock: Arc<ManualClock>,
    faults: Arc<Faults>,
    signed: Mutex<HashMap<String, Timestamp>>,
    taken: Mutex<Vec<(RequestKey, String)>>,
    refused: Mutex<usize>,
}

impl CloudFormationBucket {
    pub fn new(clock: Arc<ManualClock>, faults: Arc<Faults>) -> Self {
        Self {
            clock,
            faults,
            signed: Mutex::default(),
            taken: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// A URL that CloudFormation signed for the answer to one request. Signing the same again gives the same URL.
    pub fn sign(&self, stack_id: &StackId, logical_resource_id: &str, request_id: &str) -> String {
        let url = url(stack_id, logical_resource_id, request_id, "ce0fee");
        self.accept(&url);
        url
    }

    /// Takes `url` for one that CloudFormation signed, from now on.
    pub fn accept(&self, url: &str) {
        let mut signed = self.signed.lock().unwrap();
        signed.entry(url.to_owned()).or_insert_with(|| self.clock.now());
    }

    /// The answer that CloudFormation reads, if there is one: the first.
    pub fn answer(&self, key: &RequestKey) -> Option<StackAnswer> {
        let taken = self.taken.lock().unwrap();
        let (_, body) = taken.iter().find(|(of, _)| of == key)?;
        Some(read(key, body))
    }

    /// All answers to one request, as they were sent.
    pub fn bodies(&self, key: &RequestKey) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken
            .iter()
            .filter(|(of, _)| of == key)
            .map(|(_, body)| body.clone())
            .collect()
    }

    /// How many answers were refused for their signature.
    pub fn refused(&self) -> usize {
        *self.refused.lock().unwrap()
    }

    fn take(&self, url: &ResponseUrl, body: String) -> Delivery {
        let text = url.expose().to_string();
        let signed_at = self.signed.lock().unwrap().get(&text).copied();
        let lifetime = SignedDuration::from_secs(SIGNED_FOR_SECONDS);
        if signed_at.is_none_or(|at| self.clock.now().duration_since(at) > lifetime) {
            *self.refused.lock().unwrap() += 1;
            return Delivery::Refused;
        }
        self.taken.lock().unwrap().push((key_of(url), body));
        Delivery::Accepted
    }
}

#[async_trait]
impl AnswerSender for CloudFormationBucket {
    async fn send(&self, url: &ResponseUrl, body: String) -> Result<Delivery, Unavailable> {
        self.faults.run(Operation::AnswerSend, || self.take(url, body))
    }
}

/// An answer URL of the right form, with a signature.
pub fn url(stack_id: &StackId, logical_resource_id: &str, request_id: &str, signature: &str) -> String {
    let region = stack_id.region();
    let bucket = region.as_str().replace('-', "");
    let path = format!("{stack_id}|{logical_resource_id}|{request_id}")
        .replace(':', "%3A")
        .replace('|', "%7C");
    format!(
        "https://cloudformation-custom-resource-response-{bucket}.s3.{region}.{}/{path}?X-Amz-Signature={signature}",
        region.partition().dns_suffix()
    )
}

/// The request that a URL was signed for.
fn key_of(url: &ResponseUrl) -> RequestKey {
    let path = percent_encoding::percent_decode_str(url.expose().path())
        .decode_utf8()
        .unwrap();
    let mut parts = path.trim_start_matches('/').split('|');
    RequestKey {
        stack_id: Some(StackId::parse(parts.next().unwrap()).unwrap()),
        request_id: parts.nth(1).unwrap().to_owned(),
    }
}

/// Reads an answer as CloudFormation does: size, ids, status and reason.
fn read(key: &RequestKey, body: &str) -> StackAnswer {
    assert!(
        body.len() <= MAX_ANSWER_BYTES,
        "an answer of {} bytes",
        body.len()
    );
    let fields: Value = serde_json::from_str(body).unwrap();
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    assert_eq!(
        text("StackId").as_deref(),
        key.stack_id.as_ref().map(StackId::as_str)
    );
    assert_eq!(text("RequestId").as_deref(), Some(key.request_id.as_str()));
    assert!(text("LogicalResourceId").is_some(), "{body}");
    let physical_resource_id = text("PhysicalResourceId").unwrap();
    assert!((1..=MAX_PHYSICAL_RESOURCE_ID_BYTES).contains(&physical_resource_id.len()));
    let success = match fields["Status"].as_str() {
        Some("SUCCESS") => true,
        Some("FAILED") => false,
        _ => panic!("no status: {body}"),
    };
    let reason = text("Reason");
    assert!(
        success || reason.as_ref().is_some_and(|reason| !reason.is_empty()),
        "FAILED without a reason: {body}"
    );
    StackAnswer {
        success,
        reason,
        physical_resource_id,
        data: fields.get("Data").cloned(),
    }
}
