//! `latchkey-publish`: publishes the customer template of a deployed vendor stack.

use std::{collections::HashMap, io::Write as _, process::ExitCode};

use aws_config::{Region, SdkConfig};
use jiff::Timestamp;
use latchkey_customer::{
    publish::{Deployment, cause, publish},
    render::{RolePath, TemplateValues, TopicName, render},
    verify::{Checked, Finding, verify},
};
use latchkey_shared::{adapters::aws_clients::sdk_config, domain::aws::AccountId};

const USAGE: &str = "\
Publishes the customer template of a deployed Latchkey vendor stack, and makes new launch links point to it.

  latchkey-publish --stack-name <name> [--region <region>]   publish; prints version, SHA-256 and URL
  latchkey-publish --stack-name <name> [--region <region>] --print
                                                              only print what would be published
  latchkey-publish --stack-name <name> [--region <region>] --verify
                                                              compare what lies in the bucket with what was published
  latchkey-publish --print-example                            print it with example values, for linters

Credentials and region come from where the AWS CLI has them. For an SSO profile, run
`eval \"$(aws configure export-credentials --format env)\"` first.";

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the command line asks for.
enum Job {
    Help,
    PrintExample,
    Publish {
        stack_name: String,
        region: Option<String>,
        what: What,
    },
}

/// What to do with a deployment's template.
#[derive(Clone, Copy)]
enum What {
    Publish,
    Print,
    Verify,
}

impl Job {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let (mut stack_name, mut region, mut what) = (None, None, What::Publish);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--stack-name" => stack_name = Some(value()?),
                "--region" => region = Some(value()?),
                "--print" => what = What::Print,
                "--verify" => what = What::Verify,
                "--print-example" => return Ok(Self::PrintExample),
                "--help" | "-h" => return Ok(Self::Help),
                _ => return Err(format!("unknown argument {argument}\n\n{USAGE}").into()),
            }
        }
        let stack_name = stack_name.ok_or(format!("--stack-name is missing\n\n{USAGE}"))?;
        Ok(Self::Publish {
            stack_name,
            region,
            what,
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Job::parse(std::env::args().skip(1)) {
        Ok(job) => run(job).await,
        Err(error) => Err(error),
    };
    let (text, code) = match done {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => {
            // Nobody is left to tell where stderr is closed.
            let _ = writeln!(std::io::stderr(), "latchkey-publish: {error}");
            return ExitCode::FAILURE;
        }
    };
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn run(job: Job) -> Result<String, Error> {
    match job {
        Job::Help => Ok(USAGE.to_owned()),
        Job::PrintExample => Ok(render(&example_values()?)?.text),
        Job::Publish {
            stack_name,
            region,
            what,
        } => {
            let config = aws(region).await;
            if config.region().is_none() {
                return Err("no region is configured: give --region, the region of the vendor stack".into());
            }
            let deployment = deployment(&config, &stack_name).await?;
            let s3 = aws_sdk_s3::Client::new(&config);
            let dynamodb = aws_sdk_dynamodb::Client::new(&config);
            match what {
                What::Print => return Ok(render(&deployment.values)?.text),
                What::Verify => return report(&verify(&s3, &dynamodb, &deployment).await?),
                What::Publish => {}
            }
            let publication = publish(&s3, &dynamodb, &deployment, Timestamp::now()).await?;
            Ok(format!(
                "version  {}\nsha256   {}\nurl      {}",
                publication.version, publication.sha256, publication.url
            ))
        }
    }
}

fn example_values() -> Result<TemplateValues, Error> {
    Ok(TemplateValues {
        vendor_account: AccountId::parse("111111111111")?,
        role_path: RolePath::parse("/latchkey/")?,
        topic_name: TopicName::parse("latchkey-listener")?,
    })
}

/// One line for each published template; an error unless all of them are as they were published.
fn report(checked: &[Checked]) -> Result<String, Error> {
    let lines: Vec<String> = checked
        .iter()
        .map(|it| {
            let finding = match it.finding {
                Finding::AsPublished => "as published",
                Finding::Changed => {
                    "CHANGED: withdraw the links of this version, and see who wrote to the bucket"
                }
                Finding::Gone => "GONE: links of this version open no template",
            };
            let current = if it.is_current { " (current)" } else { "" };
            format!("{} {}{current}: {finding}", it.version, it.sha256)
        })
        .collect();
    if checked.is_empty() {
        Err("nothing was published yet".into())
    } else if checked.iter().all(|it| it.finding == Finding::AsPublished) {
        Ok(lines.join("\n"))
    } else {
        Err(format!("not every template is as it was published\n{}", lines.join("\n")).into())
    }
}

async fn aws(region: Option<String>) -> SdkConfig {
    let config = sdk_config().await;
    match region {
        Some(region) => config.into_builder().region(Region::new(region)).build(),
        None => config,
    }
}

async fn deployment(config: &SdkConfig, stack_name: &str) -> Result<Deployment, Error> {
    let answer = aws_sdk_cloudformation::Client::new(config)
        .describe_stacks()
        .stack_name(stack_name)
        .send()
        .await
        .map_err(|error| format!("reading the stack {stack_name}: {}", cause(&error)))?;
    let stack = answer
        .stacks()
        .first()
        .ok_or(format!("there is no stack {stack_name}"))?;
    let outputs: HashMap<String, String> = stack
        .outputs()
        .iter()
        .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
        .collect();
    Ok(Deployment::from_outputs(
        stack.stack_id().unwrap_or_default(),
        &outputs,
    )?)
}
