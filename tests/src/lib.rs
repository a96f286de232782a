//! The local AWS of the end-to-end tests and of `cargo xtask demo`.

pub mod sam_template;
