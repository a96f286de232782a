//! Fuzz targets with [bolero]: every parser of what comes from outside, and two functions as a whole over fakes.
//!
//! Each target starts from seeds (the payloads of `events/` and the lines of `seeds/`) and mangles them. As ordinary
//! tests they run a bounded number of inputs; `BOLERO_RANDOM_ITERATIONS` asks for more, and `cargo bolero test` runs
//! the same targets under a fuzzer that follows the code's branches:
//!
//! ```sh
//! BOLERO_RANDOM_ITERATIONS=1000000 cargo test --release -p latchkey-fuzz
//! cargo install cargo-bolero && cargo bolero test -p latchkey-fuzz targets::urls::no_mangled_url_gets_past_the_guard
//! ```
//!
//! [bolero]: https://docs.rs/bolero

#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

mod mangle;
mod targets;
