//! `latchkey-publish`: publishes the customer template of a deployed vendor stack.

use std::{collections::HashMap, io::Write as _, process::ExitCode};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use jiff::Timestamp;
use latchkey_customer::{
    publish::{Deployment, cause, publish},
    render::{RolePath, TemplateValues, TopicName, render},
};
use latchkey_shared::{
    adapters::{aws_clients::http_client, trust::Roots},
    domain::aws::AccountId,
};

const USAGE: &str = "\
Publishes the customer template of a deployed Latchkey vendor stack, and makes new launch links point to it.

  latchkey-publish --stack-name <name> [--region <region>]   publish; prints version, SHA-256 and URL
  latchkey-publish --stack-name <name> [--region <region>] --print
                                                              only print what would be published
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
        print_only: bool,
    },
}

impl Job {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let (mut stack_name, mut region, mut print_only) = (None, None, false);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--stack-name" => stack_name = Some(value()?),
                "--region" => region = Some(value()?),
                "--print" => print_only = true,
                "--print-example" => return Ok(Self::PrintExample),
                "--help" | "-h" => return Ok(Self::Help),
                _ => return Err(format!("unknown argument {argument}\n\n{USAGE}").into()),
            }
        }
        let stack_name = stack_name.ok_or(format!("--stack-name is missing\n\n{USAGE}"))?;
        Ok(Self::Publish {
            stack_name,
            region,
            print_only,
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
            print_only,
        } => {
            let config = aws(region).await;
            if config.region().is_none() {
                return Err("no region is configured: give --region, the region of the vendor stack".into());
            }
            let deployment = deployment(&config, &stack_name).await?;
            if print_only {
                return Ok(render(&deployment.values)?.text);
            }
            let s3 = aws_sdk_s3::Client::new(&config);
            let dynamodb = aws_sdk_dynamodb::Client::new(&config);
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

async fn aws(region: Option<String>) -> SdkConfig {
    // The engineer's machine: profiles and all that the SDK's loader finds, and what the machine trusts.
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client(&Roots::Host));
    match region {
        Some(region) => loader.region(Region::new(region)).load().await,
        None => loader.load().await,
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
