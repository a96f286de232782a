//! How each function starts: configuration, logging, clients, warm connections; then its events.

use std::future::Future;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    aws_clients::{Aws, Service},
    config::Environment,
    telemetry,
};

/// A function: made once in each execution environment, and called for each event.
pub trait Function: Sized {
    type Event: DeserializeOwned;
    type Answer: Serialize;
    /// Services whose connections are opened before the first event.
    const PREWARMED: &'static [Service];

    /// Joins the use cases to AWS. Fails on the first variable that is missing or malformed, and names it.
    fn start(environment: &Environment, aws: &Aws) -> Result<Self, Error>;

    /// Works on one event. An error makes Lambda, or the queue, deliver the event again.
    fn handle(&self, event: Self::Event) -> impl Future<Output = Result<Self::Answer, Error>>;
}

/// Runs a function, whose crate is named `name`, until Lambda ends the process.
pub async fn run<F: Function>(name: &str) -> Result<(), Error> {
    let environment = Environment::of_process();
    telemetry::init(&environment, name)?;
    let aws = Aws::from_environment(&environment)?;
    let function = F::start(&environment, &aws)?;
    aws.prewarm(F::PREWARMED).await;
    // Boxed: else the stack of a start has several copies of all that an event may need.
    let handle = |event: LambdaEvent<_>| Box::pin(function.handle(event.payload));
    lambda_runtime::run(service_fn(handle)).await
}
