//! What CI runs.

use std::{fs::File, process::Command};

use crate::{
    bench, lint, python,
    steps::{self, Error, cargo},
    test,
};

/// Every check, cheap ones first; the tests replace this process, so they come last.
pub fn run() -> Result<(), Error> {
    steps::run(
        "formatting",
        Command::new(cargo()).args(["fmt", "--all", "--check"]),
    )?;
    lint::run()?;
    steps::run(
        "clippy",
        Command::new(cargo()).args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    steps::workspace_build(&["--all-targets"])?;
    template_lint()?;
    bench::starts(&[])?;
    test(&[])
}

/// `sam validate --lint` for the vendor's template, cfn-lint for the two that CloudFormation gets as they are. The
/// customer's is linted as it is published: with values in the place of its placeholders.
fn template_lint() -> Result<(), Error> {
    let bin = python::install_template_lint()?;
    steps::run(
        "sam validate --lint",
        Command::new(bin.join("sam"))
            .args([
                "validate",
                "--lint",
                "--template",
                "template.yaml",
                "--region",
                "us-east-1",
            ])
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_DEFAULT_REGION", "us-east-1"),
    )?;
    let example = steps::target_dir().join("template-lint/latchkey-connection.yaml");
    steps::run(
        "rendering the customer template",
        Command::new(steps::target_dir().join("debug/latchkey-publish"))
            .arg("--print-example")
            .stdout(File::create(&example)?),
    )?;
    steps::run(
        "cfn-lint",
        Command::new(bin.join("cfn-lint"))
            .arg("functions/custom-resource-listener/listener-topic.yaml")
            .arg(&example),
    )
}
