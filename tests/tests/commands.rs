//! The programs behind `cargo xtask local` and `cargo xtask demo`, as somebody in a terminal has them.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use latchkey_tests::{
    Error,
    api::Api,
    local_aws::{Ready, TENANTS},
};
use serde_json::Value;

/// Longest time that anything here may take, on a machine that is busy with all the other tests.
const PATIENCE: Duration = Duration::from_secs(240);

fn local(arguments: &[&str]) -> Result<Child, Error> {
    start(env!("CARGO_BIN_EXE_latchkey-local"), arguments)
}

fn start(program: &str, arguments: &[&str]) -> Result<Child, Error> {
    Ok(Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?)
}

/// The first line of a program's output.
fn first_line(child: &mut Child) -> Result<String, Error> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().ok_or("no stdout")?).read_line(&mut line)?;
    Ok(line)
}

fn rest(child: &mut Child) -> Result<String, Error> {
    let stdout = child.stdout.take().ok_or("no stdout")?;
    Ok(std::io::read_to_string(stdout)?)
}

fn signal(child: &Child, name: &str) -> Result<(), Error> {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()?;
    if sent.success() {
        Ok(())
    } else {
        Err("the process was gone".into())
    }
}

fn wait(child: &mut Child) -> Result<i32, Error> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().unwrap_or(-1));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    Err("it did not end".into())
}

/// Whether any process of this machine still names `text` in its command line.
fn is_running(text: &str) -> Result<bool, Error> {
    for entry in std::fs::read_dir("/proc")? {
        let cmdline = entry?.path().join("cmdline");
        // A process that ended while we looked is not running.
        if std::fs::read(cmdline).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn assert_nothing_runs_on(port: &str) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(&format!("--port\0{port}\0"))? {
        assert!(
            Instant::now() < deadline,
            "the server on port {port} is still running"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn port(ready: &Ready) -> String {
    ready.endpoint.rsplit(':').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn two_local_clouds_stand_side_by_side_and_leave_nothing_running() -> Result<(), Error> {
    let (mut first, mut second) = (local(&[])?, local(&[])?);
    let one: Ready = serde_json::from_str(&first_line(&mut first)?)?;
    let two: Ready = serde_json::from_str(&first_line(&mut second)?)?;
    assert_ne!(one.endpoint, two.endpoint);
    // What one knows, the other does not.
    let connection = Api::of(&one, TENANTS[0])?
        .create(&serde_json::json!({ "name": "Here" }))
        .await?;
    let id = connection["id"].as_str().ok_or("no id")?;
    assert!(Api::of(&one, TENANTS[0])?.get(id).await.is_ok());
    assert!(Api::of(&two, TENANTS[0])?.get(id).await.is_err());
    signal(&first, "-TERM")?;
    signal(&second, "-INT")?;
    assert_eq!((wait(&mut first)?, wait(&mut second)?), (0, 0));
    assert_nothing_runs_on(&port(&one))?;
    assert_nothing_runs_on(&port(&two))
}

#[test]
fn a_port_that_is_taken_is_refused_and_the_one_that_is_asked_for_is_used() -> Result<(), Error> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    assert_eq!(wait(&mut local(&["--port", &port])?)?, 1);
    drop(taken);
    let mut child = local(&["--port", &port])?;
    let ready: Ready = serde_json::from_str(&first_line(&mut child)?)?;
    assert_eq!(ready.endpoint, format!("http://127.0.0.1:{port}"));
    signal(&child, "-TERM")?;
    assert_eq!(wait(&mut child)?, 0);
    assert_nothing_runs_on(&port)
}

#[test]
fn a_signal_in_the_middle_of_the_start_leaves_nothing_running() -> Result<(), Error> {
    let free = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port()
        .to_string();
    let mut child = local(&["--port", &free])?;
    while !is_running(&format!("--port\0{free}\0--account"))? {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "-INT")?;
    assert_eq!(wait(&mut child)?, 130);
    assert_nothing_runs_on(&free)
}

#[test]
fn a_command_that_is_run_in_it_is_asked_to_end_before_the_cloud_is_gone() -> Result<(), Error> {
    let mut child = local(&[
        "--",
        "sh",
        "-c",
        "trap 'echo ended; exit 7' TERM; echo begun; while :; do sleep 0.1; done",
    ])?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    assert_eq!(line, "begun\n");
    signal(&child, "-TERM")?;
    assert_eq!(wait(&mut child)?, 143);
    line.clear();
    output.read_line(&mut line)?;
    assert_eq!(line, "ended\n");
    Ok(())
}

#[test]
fn a_command_that_is_run_in_it_knows_where_it_is_and_its_exit_code_is_passed_on() -> Result<(), Error> {
    let mut child = local(&["--", "sh", "-c", "printf '%s' \"$LATCHKEY_LOCAL_AWS\"; exit 7"])?;
    let output = rest(&mut child)?;
    assert_eq!(wait(&mut child)?, 7);
    let ready: Ready = serde_json::from_str(&output)?;
    assert_nothing_runs_on(&port(&ready))
}

#[test]
fn the_demo_tells_its_story_and_ends_with_a_line_for_each_connection() -> Result<(), Error> {
    let demo = |arguments| start(env!("CARGO_BIN_EXE_latchkey-demo"), arguments);
    // Without an issuer the vendor's back end plays the vendor's UI.
    let both = [demo(&["--once"])?, demo(&["--once", "--without-issuer"])?];
    both.into_iter().try_for_each(tells_its_story)
}

fn tells_its_story(mut demo: Child) -> Result<(), Error> {
    let code = wait(&mut demo)?;
    let output = rest(&mut demo)?;
    assert_eq!(code, 0, "{output}");
    let connections: Vec<Value> = output
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let end = |it: &Value| format!("{} {}", it["status"], it["reason"]).replace('"', "");
    let ends: Vec<String> = connections.iter().map(end).collect();
    assert_eq!(
        ends,
        [
            "disconnected stack_deleted",
            "pending external_id_not_enforced",
            "pending account_already_connected",
            "pending role_not_assumable",
        ]
    );
    Ok(())
}
