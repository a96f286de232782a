//! The local AWS of the end-to-end tests and of `cargo xtask demo`, and those who act in it.

pub mod api;
pub mod cloudformation_message;
pub mod customer;
pub mod demo;
pub mod dynamodb_local;
pub mod function_logs;
pub mod identity;
pub mod local_aws;
pub mod own_table;
pub mod program;
pub mod refusal;
pub mod runtime_api;
pub mod sam_template;
pub mod scene;
pub mod stack_template;
pub mod sts_proxy;
pub mod trap;
pub mod wiretap;

/// Anything that goes wrong here ends a test or the demo; its text is all that matters.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// An error with what was attempted and everything that caused it.
pub fn failed(attempt: &str, error: &dyn std::error::Error) -> Error {
    format!("{attempt}: {}", latchkey_aws::telemetry::causes(error)).into()
}

/// An HTTP client that goes straight to loopback, for as long as `timeout` at most.
pub fn http_client(timeout: std::time::Duration) -> Result<reqwest::Client, Error> {
    // reqwest wants a TLS provider even where no TLS is spoken; a second installation is the first one again.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().timeout(timeout).build()?)
}
