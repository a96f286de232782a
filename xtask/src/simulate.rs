//! Plays the simulated day of `shared/aws/tests/sweep_at_scale/`, which prints what came of it.

use std::process::Command;

use crate::steps::{Error, cargo, run as step};

/// The test that is the day.
const DAY: &str = "a_bad_day_finds_every_changed_role_in_time";

/// Plays a day with each of these numbers of connections, or with a million.
pub fn run(sizes: &[String]) -> Result<(), Error> {
    let million = ["1000000".to_owned()];
    let sizes = if sizes.is_empty() { &million[..] } else { sizes };
    for size in sizes {
        step(
            &format!("a day with {size} connections"),
            Command::new(cargo())
                .args(["test", "--quiet", "--locked", "--profile", "simulation"])
                .args(["--package", "latchkey-aws", "--test", "sweep_at_scale"])
                .args(["--", "--exact", DAY, "--nocapture"])
                .env("LATCHKEY_SIMULATED_CONNECTIONS", size),
        )?;
    }
    Ok(())
}
