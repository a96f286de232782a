//! What the Latchkey functions share: the domain, the ports it needs, the use cases, and the adapters that join
//! both to AWS.
//!
//! Arrows point one way: `domain ← ports ← use_cases`, `adapters → ports, domain`. Only a function's `main.rs`
//! joins adapters to use cases (`cargo xtask lint` refuses anything else).

pub mod adapters;
pub mod config;
pub mod domain;
pub mod ports;
pub mod telemetry;
#[cfg(feature = "test-support")]
pub mod test_support;
pub mod use_cases;
