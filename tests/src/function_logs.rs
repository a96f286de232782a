//! What the functions logged, in CloudWatch Logs. Called by hand: one action does not pay for an SDK.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Error, http_client, scene::Scene};

/// Longest time that a line may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

impl Scene {
    /// All lines that a function has logged, oldest first.
    pub async fn log_lines(&self, function: &str) -> Result<Vec<String>, Error> {
        self.log_lines_with(function, "").await
    }

    /// Waits until a function has logged a line with all of `parts`, and returns it.
    pub async fn wait_for_log(&self, function: &str, parts: &[&str]) -> Result<String, Error> {
        let deadline = Instant::now() + PATIENCE;
        let first = parts.first().copied().unwrap_or_default();
        loop {
            let lines = self.log_lines_with(function, first).await?;
            if let Some(line) = lines
                .into_iter()
                .find(|line| parts.iter().all(|part| line.contains(part)))
            {
                return Ok(line);
            }
            if Instant::now() > deadline {
                return Err(format!("{function} never logged {parts:?}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn heard(&self, parts: &[&str]) -> Result<String, Error> {
        self.wait_for_log("custom-resource-listener", parts).await
    }

    pub async fn verified(&self, parts: &[&str]) -> Result<String, Error> {
        self.wait_for_log("role-verifier", parts).await
    }

    async fn log_lines_with(&self, function: &str, part: &str) -> Result<Vec<String>, Error> {
        let mut query = json!({ "logGroupName": format!("/aws/lambda/latchkey/{function}") });
        if !part.is_empty() {
            query["filterPattern"] = json!(format!("\"{part}\""));
        }
        let credential = format!(
            "{}/20260101/{}/logs/aws4_request",
            self.ready.vendor_account, self.ready.hub_region
        );
        let answer = http_client(Duration::from_secs(30))?
            .post(&self.ready.endpoint)
            .header("x-amz-target", "Logs_20140328.FilterLogEvents")
            .header("content-type", "application/x-amz-json-1.1")
            // As the vendor's root, whose signature the local AWS does not check.
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"),
            )
            .body(query.to_string())
            .send()
            .await?;
        let page: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let events = page["events"]
            .as_array()
            .ok_or_else(|| format!("no log of {function}: {page}"))?;
        Ok(events
            .iter()
            .filter_map(|event| Some(event["message"].as_str()?.to_owned()))
            .collect())
    }
}
