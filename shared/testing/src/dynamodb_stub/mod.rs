//! A stub of DynamoDB: one table with the keys and indexes of `template.yaml`, conditions, transactions and pages.
//! The adapter's tests and the simulation call it in their own process ([`InProcess`]), the benchmarks over TLS.
//!
//! What it does not understand it refuses, so that nobody tests or measures on a wrong answer.

mod crowd;
mod expression;
mod in_process;
mod table;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use crowd::{Crowd, external_id, id, number_of_sort_key, role_arn, tenant};
pub use in_process::InProcess;
pub use table::{Table, Units};

/// Type of the answers of DynamoDB.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// How the type of an error begins.
const ERROR_TYPE: &str = "com.amazonaws.dynamodb.v20120810#";

/// Why a call is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The condition of a write does not hold.
    Condition,
    /// One of a transaction's conditions does not: which ones hold.
    Cancelled(Vec<bool>),
    /// The stub does not understand it.
    NotKnown(String),
}

impl<T: Into<String>> From<T> for Refusal {
    fn from(problem: T) -> Self {
        Self::NotKnown(problem.into())
    }
}

/// Answers one call of DynamoDB's protocol: the status and the body. With `is_frozen`, writes are held against their
/// conditions and not done.
pub fn answer(table: &mut Table, operation: &str, body: &[u8], is_frozen: bool) -> (u16, Value) {
    let request = serde_json::from_slice(body).map_err(|error| Refusal::NotKnown(error.to_string()));
    let refusal = match request.and_then(|request| table.call(operation, &request, is_frozen)) {
        Ok(answer) => return (200, answer),
        Err(refusal) => refusal,
    };
    let error =
        |name: &str, message: &str| json!({ "__type": format!("{ERROR_TYPE}{name}"), "message": message });
    let answer = match refusal {
        Refusal::Condition => error(
            "ConditionalCheckFailedException",
            "The conditional request failed",
        ),
        Refusal::NotKnown(problem) => error("ValidationException", &problem),
        Refusal::Cancelled(holds) => {
            let code = |holds| if holds { "None" } else { "ConditionalCheckFailed" };
            let reasons: Vec<_> = holds
                .into_iter()
                .map(|holds| json!({ "Code": code(holds) }))
                .collect();
            let mut answer = error("TransactionCanceledException", "Transaction cancelled");
            answer["CancellationReasons"] = reasons.into();
            answer
        }
    };
    (400, answer)
}
