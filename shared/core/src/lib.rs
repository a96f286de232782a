//! What Latchkey decides: the domain, the ports it needs, and the use cases.
//!
//! Arrows point one way: `domain ← ports ← use_cases`. The manifest names no AWS SDK, no HTTP client and no tokio.

#![warn(missing_docs)]

pub mod domain;
pub mod ports;
pub mod use_cases;
