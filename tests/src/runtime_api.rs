//! The Lambda Runtime API, small: runs a function's real binary as Lambda does, and hands it events.
//!
//! It speaks as much HTTP/1.1 as the runtime's own client does: one request at a time, with a content length.

use std::{
    collections::BTreeMap,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};

use crate::{Error, failed, sam_template::function_binary, scene::Scene};

/// Longest time that a function may take for one event, or to end because of its configuration.
const PATIENCE: Duration = Duration::from_secs(60);

/// The environment variables of a function.
pub type Variables = BTreeMap<String, String>;

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function's answer.
    Answer(Value),
    /// The function failed: Lambda would deliver the event again.
    Failure(Value),
}

/// A function's process and the Runtime API that it talks to.
pub struct RunningFunction {
    child: Child,
    events: UnboundedSender<String>,
    outcomes: UnboundedReceiver<Outcome>,
    output: Arc<Mutex<String>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Scene {
    /// The variables that a function was deployed with, and those that Lambda and the local AWS add.
    pub async fn variables(&self, function: &str) -> Result<Variables, Error> {
        let name = self
            .ready
            .functions
            .get(function)
            .ok_or("there is no such function")?;
        let answer = aws_sdk_lambda::Client::new(&self.vendor)
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .map_err(|error| failed("reading a function's configuration", &error))?;
        let deployed = answer
            .environment()
            .and_then(|environment| environment.variables());
        let mut variables: Variables = deployed
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        variables.extend(
            [
                ("AWS_ENDPOINT_URL", self.ready.endpoint.as_str()),
                ("AWS_REGION", self.ready.hub_region.as_str()),
                ("AWS_ACCESS_KEY_ID", self.ready.vendor_account.as_str()),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Ok(variables)
    }
}

impl RunningFunction {
    /// Starts the binary of a function with these variables and nothing else in its environment.
    pub async fn start(function: &str, variables: &Variables) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (events, waiting) = unbounded_channel();
        let (done, outcomes) = unbounded_channel();
        let mut child = Command::new(function_binary(function))
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "tests")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "tests")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                failed(
                    &format!("starting {function} (run `cargo build --workspace`)"),
                    &error,
                )
            })?;
        let output = Arc::new(Mutex::new(String::new()));
        let mut tasks = vec![tokio::spawn(serve(listener, waiting, done))];
        if let Some(stdout) = child.stdout.take() {
            tasks.push(tokio::spawn(collect(stdout, output.clone())));
        }
        if let Some(stderr) = child.stderr.take() {
            tasks.push(tokio::spawn(collect(stderr, output.clone())));
        }
        Ok(Self {
            child,
            events,
            outcomes,
            output,
            tasks,
        })
    }

    /// Hands an event to the function and waits for what becomes of it.
    pub async fn invoke(&mut self, event: &Value) -> Result<Outcome, Error> {
        self.events.send(event.to_string())?;
        tokio::select! {
            outcome = timeout(PATIENCE, self.outcomes.recv()) => {
                Ok(outcome.map_err(|_| "the function did not answer in time")?.ok_or("the function went away")?)
            }
            status = self.child.wait() => Err(format!("the function ended with {}: {}", status?, self.output()).into()),
        }
    }

    /// Waits for a function to end by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus, Error> {
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .map_err(|_| "the function did not end")??;
        // What it wrote last may still be in the pipes.
        for task in self.tasks.drain(1..) {
            task.await?;
        }
        Ok(status)
    }

    /// Everything that it has written.
    pub fn output(&self) -> String {
        self.output
            .lock()
            .map(|output| output.clone())
            .unwrap_or_default()
    }
}

impl Drop for RunningFunction {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn collect(stream: impl tokio::io::AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(mut output) = output.lock() {
            output.push_str(&line);
            output.push('\n');
        }
    }
}

async fn serve(listener: TcpListener, events: UnboundedReceiver<String>, outcomes: UnboundedSender<Outcome>) {
    let events = Arc::new(tokio::sync::Mutex::new(events));
    while let Ok((stream, _)) = listener.accept().await {
        let (events, outcomes) = (events.clone(), outcomes.clone());
        tokio::spawn(async move {
            // A connection that breaks is the function's end, which is noticed elsewhere.
            let _ = converse(stream, &events, &outcomes).await;
        });
    }
}

async fn converse(
    mut stream: TcpStream,
    events: &tokio::sync::Mutex<UnboundedReceiver<String>>,
    outcomes: &UnboundedSender<Outcome>,
) -> Result<(), Error> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    while let Some((path, body)) = read_request(&mut reader).await? {
        let answer = if path.ends_with("/invocation/next") {
            let Some(event) = events.lock().await.recv().await else {
                return Ok(());
            };
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: {}\r\n\
                 lambda-runtime-deadline-ms: 9999999999999\r\nlambda-runtime-invoked-function-arn: \
                 arn:aws:lambda:us-east-1:111111111111:function:tests\r\ncontent-length: {}\r\n\r\n{event}",
                crate::cloudformation_message::uuid(),
                event.len(),
            )
        } else {
            let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let outcome = if path.ends_with("/response") {
                Outcome::Answer(value)
            } else {
                Outcome::Failure(value)
            };
            outcomes.send(outcome)?;
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The path and the body of the next request; none at the end of the connection.
async fn read_request(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin),
) -> Result<Option<(String, Vec<u8>)>, Error> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line
        .split(' ')
        .nth(1)
        .ok_or("a request without a path")?
        .to_owned();
    let mut length = 0;
    let mut chunked = false;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "transfer-encoding" => chunked = value.trim() == "chunked",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).await?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16)? + 2];
        reader.read_exact(&mut chunk).await?;
        chunked = chunk.len() > 2;
        body.extend_from_slice(&chunk[..chunk.len() - 2]);
    }
    Ok(Some((path, body)))
}
