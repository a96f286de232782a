//! A vendor's customer: acts in an AWS account of their own, through CloudFormation and IAM.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_sdk_cloudformation::{
    Client,
    operation::{
        create_stack::builders::CreateStackFluentBuilder, update_stack::builders::UpdateStackFluentBuilder,
    },
    types::{Capability, DeletionMode, Parameter, ResourceStatus, StackEvent},
};
use latchkey_core::domain::{
    instructions::launch_link::{EXTERNAL_ID_PARAMETER, LaunchLink, TIER_PARAMETER},
    proof::reason::ReasonCode,
    request::custom_resource::RESOURCE_TYPE,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    Error, failed,
    local_aws::aws,
    scene::{Scene, text},
    stack_template::{PUBLISHED_ACTIONS, StackTemplate, allow},
};

/// Longest time that a stack may take here.
const STACK_PATIENCE: Duration = Duration::from_secs(120);

/// The name of the inline policy of a role that was made by hand.
const ROLE_POLICY: &str = "connection";

/// A customer in one account and region, with an administrator's session.
pub struct Customer {
    pub account: String,
    pub region: String,
    pub cloudformation: Client,
    pub iam: aws_sdk_iam::Client,
    /// Their SNS: whoever launches a stack may publish by hand as well.
    pub sns: aws_sdk_sns::Client,
}

/// How a stack stands, once nothing moves any more.
#[derive(Debug, Clone)]
pub struct StackOutcome {
    pub status: String,
    pub stack_id: String,
    pub outputs: HashMap<String, String>,
    /// The reasons of all failures in its events, the first one first.
    pub reasons: Vec<String>,
}

impl StackOutcome {
    /// Expects that the stack failed with a reason's sentence and code in its events.
    pub fn expect_refusal(&self, status: &str, code: ReasonCode) -> Result<(), Error> {
        let text = format!("{} [{}]", code.sentence(), code.as_str());
        if self.status == status && self.reasons.iter().any(|reason| reason.contains(&text)) {
            Ok(())
        } else {
            Err(format!(
                "expected {status} for {text}, found {} for {:?}",
                self.status, self.reasons
            )
            .into())
        }
    }

    /// Expects that it stands at `status`.
    pub fn expect(&self, status: &str) -> Result<(), Error> {
        if self.status == status {
            Ok(())
        } else {
            Err(format!("expected {status}, found {} for {:?}", self.status, self.reasons).into())
        }
    }
}

impl Customer {
    /// Someone with administrator's rights in `account`.
    pub async fn sign_in(endpoint: &str, account: &str, region: &str) -> Result<Self, Error> {
        let session: SdkConfig = aws::administrator(endpoint, account, region).await?;
        Ok(Self {
            account: account.to_owned(),
            region: region.to_owned(),
            cloudformation: Client::new(&session),
            iam: aws_sdk_iam::Client::new(&session),
            sns: aws_sdk_sns::Client::new(&session),
        })
    }

    /// Opens a launch link, ticks the box and creates the stack, under a name of their own if one is given.
    pub async fn open(&self, launch_url: &str, stack_name: Option<&str>) -> Result<String, Error> {
        let link = LaunchLink::parse(launch_url)?;
        let name = stack_name.unwrap_or(&link.stack_name).to_owned();
        self.open_with(&link, &name, &[]).await?;
        Ok(name)
    }

    /// Opens the link of a connection and creates the stack, which has to succeed.
    pub async fn follow(&self, connection: &Value) -> Result<StackOutcome, Error> {
        let stack = self.open(&text(connection, "launch_url")?, None).await?;
        let outcome = self.wait(&stack).await?;
        outcome.expect("CREATE_COMPLETE")?;
        Ok(outcome)
    }

    /// The same where the stack has to fail for a reason.
    pub async fn is_refused(&self, connection: &Value, code: ReasonCode) -> Result<(), Error> {
        let stack = self.open(&text(connection, "launch_url")?, None).await?;
        self.wait(&stack).await?.expect_refusal("ROLLBACK_COMPLETE", code)
    }

    /// The same with parameters of their own choice beside the external ID of the link.
    pub async fn open_with(
        &self,
        link: &LaunchLink,
        stack_name: &str,
        choices: &[(&str, &str)],
    ) -> Result<(), Error> {
        let parameters = parameters(link, choices);
        self.create(stack_name, |stack| {
            stack
                .template_url(&link.template_url)
                .set_parameters(Some(parameters))
        })
        .await
    }

    /// Updates such a stack with other choices, and waits for the end of that.
    pub async fn choose_again(
        &self,
        link: &LaunchLink,
        stack_name: &str,
        choices: &[(&str, &str)],
    ) -> Result<StackOutcome, Error> {
        let parameters = parameters(link, choices);
        self.change(stack_name, |stack| {
            stack.use_previous_template(true).set_parameters(Some(parameters))
        })
        .await?;
        self.wait(stack_name).await
    }

    pub async fn create_stack(&self, name: &str, template: &str) -> Result<(), Error> {
        self.create(name, |stack| stack.template_body(template)).await
    }

    async fn create(
        &self,
        name: &str,
        from: impl FnOnce(CreateStackFluentBuilder) -> CreateStackFluentBuilder,
    ) -> Result<(), Error> {
        let stack = self.cloudformation.create_stack().stack_name(name);
        let made = from(stack.capabilities(Capability::CapabilityNamedIam))
            .send()
            .await;
        made.map(drop)
            .map_err(|error| failed("creating the stack", &error))
    }

    pub async fn update_stack(&self, name: &str, template: &str) -> Result<(), Error> {
        self.change(name, |stack| stack.template_body(template)).await
    }

    async fn change(
        &self,
        name: &str,
        to: impl FnOnce(UpdateStackFluentBuilder) -> UpdateStackFluentBuilder,
    ) -> Result<(), Error> {
        let stack = self.cloudformation.update_stack().stack_name(name);
        let changed = to(stack.capabilities(Capability::CapabilityNamedIam))
            .send()
            .await;
        changed
            .map(drop)
            .map_err(|error| failed("updating the stack", &error))
    }

    /// Does what an `aws cloudformation update-stack` command of ours says, and waits for the end of that.
    pub async fn run_update_command(&self, command: &str) -> Result<StackOutcome, Error> {
        let words: Vec<&str> = command
            .split_whitespace()
            .map(|word| word.trim_matches('\''))
            .collect();
        let value = |name: &str| {
            let at = words.iter().position(|word| *word == name);
            at.and_then(|at| words.get(at + 1)).copied()
        };
        if !command.starts_with("aws cloudformation update-stack ")
            || value("--region") != Some(&self.region)
            || value("--capabilities") != Some(Capability::CapabilityNamedIam.as_str())
        {
            return Err(format!("this command is another one: {command}").into());
        }
        let parameters = words.iter().filter_map(|word| word.strip_prefix("ParameterKey="));
        let parameters = parameters
            .map(|parameter| {
                let (name, rest) = parameter.split_once(',')?;
                let builder = Parameter::builder().parameter_key(name);
                match rest.strip_prefix("ParameterValue=") {
                    Some(value) => Some(builder.parameter_value(value).build()),
                    None => {
                        (rest == "UsePreviousValue=true").then(|| builder.use_previous_value(true).build())
                    }
                }
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("a parameter is not readable: {command}"))?;
        let stack = value("--stack-name").ok_or("there is no --stack-name")?;
        let use_previous = words.contains(&"--use-previous-template").then_some(true);
        self.change(stack, |update| {
            update
                .set_template_url(value("--template-url").map(str::to_owned))
                .set_use_previous_template(use_previous)
                .set_parameters(Some(parameters))
        })
        .await?;
        self.wait(stack).await
    }

    /// Deletes a stack and waits until it is gone or has failed to go.
    pub async fn delete_stack(&self, stack_id: &str) -> Result<StackOutcome, Error> {
        self.start_deletion(stack_id).await?;
        self.wait(stack_id).await
    }

    /// Deletes a stack, which has to succeed.
    pub async fn deleted(&self, stack_id: &str) -> Result<(), Error> {
        self.delete_stack(stack_id).await?.expect("DELETE_COMPLETE")
    }

    /// Waits until nothing moves in a stack any more.
    pub async fn wait(&self, stack: &str) -> Result<StackOutcome, Error> {
        wait_for_stack(&self.cloudformation, stack).await
    }

    /// From the moment a created stack turned to its connection, which is when the message to the listener goes out, until the
    /// verifier's answer was there: by the stack's events.
    pub async fn time_to_answer(&self, stack_id: &str) -> Result<Duration, Error> {
        let events = events(&self.cloudformation, stack_id).await?;
        let at = |status: ResourceStatus| {
            let of_connection = events.iter().find(|event| {
                event.resource_type() == Some(RESOURCE_TYPE) && event.resource_status() == Some(&status)
            });
            let time = of_connection.and_then(|event| event.timestamp());
            time.ok_or_else(|| format!("the stack's connection has no {status} among its events"))
        };
        let (begun, done) = (
            at(ResourceStatus::CreateInProgress)?,
            at(ResourceStatus::CreateComplete)?,
        );
        Ok(SystemTime::try_from(*done)?.duration_since(SystemTime::try_from(*begun)?)?)
    }

    /// Creates a stack from a template of their own and waits for its end.
    pub async fn launch(&self, name: &str, template: &StackTemplate) -> Result<StackOutcome, Error> {
        self.create_stack(name, &template.text()).await?;
        self.wait(name).await
    }

    /// The same with a stack that has to succeed.
    pub async fn launched(&self, name: &str, template: &StackTemplate) -> Result<StackOutcome, Error> {
        let outcome = self.launch(name, template).await?;
        outcome.expect("CREATE_COMPLETE")?;
        Ok(outcome)
    }

    /// Updates a stack with a template of their own and waits for the end of that.
    pub async fn update(&self, name: &str, template: &StackTemplate) -> Result<StackOutcome, Error> {
        self.update_stack(name, &template.text()).await?;
        self.wait(name).await
    }

    pub async fn start_deletion(&self, stack_id: &str) -> Result<(), Error> {
        self.start_deletion_by(stack_id, None).await
    }

    /// Deletes a stack that could not be deleted, as the console offers it: what does not go stays behind.
    pub async fn force_deletion(&self, stack_id: &str) -> Result<(), Error> {
        self.start_deletion_by(stack_id, Some(DeletionMode::ForceDeleteStack))
            .await
    }

    async fn start_deletion_by(&self, stack_id: &str, mode: Option<DeletionMode>) -> Result<(), Error> {
        let stack = self.cloudformation.delete_stack().stack_name(stack_id);
        let started = stack.set_deletion_mode(mode).send().await;
        started
            .map(drop)
            .map_err(|error| failed("deleting the stack", &error))
    }

    pub fn role_arn(&self, role_name: &str) -> String {
        format!("arn:aws:iam::{}:role/{role_name}", self.account)
    }

    /// Makes a role by hand, with the permissions of the published template, and returns its ARN.
    pub async fn make_role(&self, role_name: &str, trust: &Value) -> Result<String, Error> {
        self.iam
            .create_role()
            .role_name(role_name)
            .assume_role_policy_document(trust.to_string())
            .send()
            .await
            .map_err(|error| failed("making a role", &error))?;
        self.iam
            .put_role_policy()
            .role_name(role_name)
            .policy_name(ROLE_POLICY)
            .policy_document(allow(&PUBLISHED_ACTIONS).to_string())
            .send()
            .await
            .map_err(|error| failed("giving a role its permissions", &error))?;
        Ok(self.role_arn(role_name))
    }

    /// The same with the trust policy that a template publishes.
    pub async fn make_role_of(&self, role_name: &str, template: &StackTemplate) -> Result<String, Error> {
        self.make_role(role_name, &template.published_trust()).await
    }

    /// Deletes a role with all its inline policies.
    pub async fn delete_role(&self, role_name: &str) -> Result<(), Error> {
        let policies = self
            .iam
            .list_role_policies()
            .role_name(role_name)
            .send()
            .await
            .map_err(|error| failed("listing a role's policies", &error))?;
        for policy in policies.policy_names() {
            self.iam
                .delete_role_policy()
                .role_name(role_name)
                .policy_name(policy)
                .send()
                .await
                .map_err(|error| failed("deleting a role's policy", &error))?;
        }
        self.iam
            .delete_role()
            .role_name(role_name)
            .send()
            .await
            .map_err(|error| failed("deleting a role", &error))?;
        Ok(())
    }

    /// Publishes a message by hand and returns its id.
    pub async fn publish(&self, topic_arn: &str, message: &str) -> Result<String, Error> {
        let answer = self
            .sns
            .publish()
            .topic_arn(topic_arn)
            .subject("AWS CloudFormation custom resource request")
            .message(message)
            .send()
            .await
            .map_err(|error| failed("publishing", &error))?;
        Ok(answer.message_id().unwrap_or_default().to_owned())
    }

    /// Publishes a message by hand to the listener topic of their region.
    pub async fn tell(&self, scene: &Scene, message: &str) -> Result<String, Error> {
        self.publish(scene.ready.topic(&self.region)?, message).await
    }

    pub async fn set_trust(&self, role_name: &str, policy: &str) -> Result<(), Error> {
        self.iam
            .update_assume_role_policy()
            .role_name(role_name)
            .policy_document(policy)
            .send()
            .await
            .map_err(|error| failed("changing the trust policy", &error))?;
        Ok(())
    }
}

fn parameters(link: &LaunchLink, choices: &[(&str, &str)]) -> Vec<Parameter> {
    let parameter = |key: &str, value: &str| {
        Parameter::builder()
            .parameter_key(key)
            .parameter_value(value)
            .build()
    };
    let external_id = (EXTERNAL_ID_PARAMETER, link.external_id.as_str());
    let tier = link.permission_tier.as_ref();
    let of_link = std::iter::once(external_id).chain(tier.map(|tier| (TIER_PARAMETER, tier.as_str())));
    // Whoever looks at the page can overwrite what the link filled in.
    of_link
        .filter(|(key, _)| choices.iter().all(|(chosen, _)| chosen != key))
        .chain(choices.iter().copied())
        .map(|(key, value)| parameter(key, value))
        .collect()
}

/// Waits until nothing moves in a stack any more, and reads its events.
pub async fn wait_for_stack(cloudformation: &Client, stack: &str) -> Result<StackOutcome, Error> {
    let deadline = Instant::now() + STACK_PATIENCE;
    loop {
        let answer = cloudformation
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .map_err(|error| failed("looking at a stack", &error))?;
        let stack = answer.stacks().first().ok_or("there is no such stack")?;
        let status = stack
            .stack_status()
            .map(|status| status.as_str().to_owned())
            .unwrap_or_default();
        if !status.ends_with("_IN_PROGRESS") {
            let stack_id = stack.stack_id().unwrap_or_default().to_owned();
            let outputs = stack
                .outputs()
                .iter()
                .filter_map(|output| {
                    Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
                })
                .collect();
            let reasons = failures(cloudformation, &stack_id).await?;
            return Ok(StackOutcome {
                status,
                stack_id,
                outputs,
                reasons,
            });
        }
        if Instant::now() > deadline {
            return Err(format!("the stack is still {status}").into());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A stack's events, the first one first.
async fn events(cloudformation: &Client, stack_id: &str) -> Result<Vec<StackEvent>, Error> {
    let answer = cloudformation
        .describe_stack_events()
        .stack_name(stack_id)
        .send()
        .await
        .map_err(|error| failed("reading a stack's events", &error))?;
    let mut events = answer.stack_events.unwrap_or_default();
    events.reverse();
    Ok(events)
}

async fn failures(cloudformation: &Client, stack_id: &str) -> Result<Vec<String>, Error> {
    let failed = |status: &str| status.ends_with("_FAILED") || status.contains("ROLLBACK");
    Ok(events(cloudformation, stack_id)
        .await?
        .iter()
        .filter(|event| {
            event
                .resource_status()
                .is_some_and(|status| failed(status.as_str()))
        })
        .filter_map(|event| event.resource_status_reason().map(str::to_owned))
        .collect())
}
