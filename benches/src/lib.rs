//! Measures what starting and working costs the functions: docs/benchmarks/README.md. On Linux only: elsewhere there
//! is nothing here.
#![cfg(target_os = "linux")]

pub mod bars;
pub mod cold_warm;
pub mod http;
pub mod instructions;
pub mod linked;
pub mod neighbours;
pub mod onboarding;
pub mod process;
pub mod reads;
pub mod report;
pub mod runtime_api;
pub mod scenes;
pub mod start_bounds;
pub mod stub;
pub mod subjects;
pub mod throughput;
pub mod ticks;

/// Anything that goes wrong ends the measurement; its text is all that matters.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
