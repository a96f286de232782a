//! The story of `cargo xtask demo`: what a vendor, its customers and the re-validator see.

mod screen;
mod story;

pub use story::{Chapter, play, summaries};
