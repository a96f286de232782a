//! The reference: a function that does nothing. What is measured is held against it, in the same run.

use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |_: LambdaEvent<serde_json::Value>| {
        Ok::<_, Error>(serde_json::Value::Null)
    }))
    .await
}
