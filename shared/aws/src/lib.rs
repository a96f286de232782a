//! The joints to the outside world: the only users of AWS SDKs, HTTP, environment, clock and randomness.

pub mod aws_clients;
pub mod bootstrap;
pub mod cloudformation_answers;
pub mod config;
pub mod dynamodb;
pub mod paced_sts;
mod prewarm;
pub mod public_reader;
mod role_inspector;
mod sdk_errors;
pub mod sns_topics;
pub mod sqs_queue;
pub mod sts_assumer;
pub mod system;
pub mod telemetry;
mod tls_refused;
pub mod trust;
