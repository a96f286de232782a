//! What a function's binary has: the clients that it needs, as another one makes it larger and its start slower, and what a
//! panic is caught by, as a function that is aborted gives no answer; and that it was linked as it is deployed.

use std::path::Path;

use crate::{Error, subjects::EMPTY};

/// A word that only the requests of one service have, in each binary with a client of it.
const CLIENTS: [(&str, &str); 5] = [
    ("DynamoDB", "DynamoDB_20120810"),
    ("SQS", "AmazonSQS."),
    ("SNS", "2010-03-31"),
    ("STS", "2011-06-15"),
    ("IAM", "2010-05-08"),
];
/// The services that each function calls.
const CALLED: [(&str, &[&str]); 5] = [
    ("custom-resource-listener", &["DynamoDB", "SQS"]),
    ("link-generator", &["DynamoDB", "SQS", "SNS"]),
    ("role-verifier", &["DynamoDB", "SQS", "STS", "IAM"]),
    ("revalidator", &["DynamoDB", "SQS", "SNS"]),
    (EMPTY, &[]),
];

/// By which Rust knows its own panics while it unwinds (`library/panic_unwind/src/gcc.rs`): a number in the code of each
/// x86-64 program that unwinds, and of none that aborts.
const UNWINDING: &[u8] = b"MOZ\0RUST";
/// What unwinds where the host's linker has linked. zig, which `sam build` links with, brings its own along.
const OF_THE_HOST: &[u8] = b"libgcc_s.so";

/// Checks that each release binary in `folder` has the clients of the services that it calls and no other one's, that it
/// unwinds, and that zig linked it.
pub fn check(folder: &Path) -> Result<(), Error> {
    for (function, called) in CALLED {
        let path = folder.join(function);
        let binary = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let linked = clients(&binary);
        if linked != called {
            return Err(format!("{function} calls {called:?} and has clients of {linked:?}").into());
        }
        let has = |word: &[u8]| binary.windows(word.len()).any(|bytes| bytes == word);
        if has(OF_THE_HOST) {
            return Err(format!(
                "{function} was linked by the host's linker, where zig links what is deployed: is a linker set for cargo?"
            )
            .into());
        }
        if !has(UNWINDING) {
            return Err(
                format!("{function} aborts where it panics: is `panic` missing in Cargo.toml?").into(),
            );
        }
    }
    Ok(())
}

fn clients(binary: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(binary);
    let linked = CLIENTS.into_iter().filter(|(_, word)| text.contains(word));
    linked.map(|(service, _)| service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::FUNCTIONS;

    #[test]
    fn no_function_is_left_out() {
        let functions = FUNCTIONS.into_iter().chain([EMPTY]);
        assert!(functions.eq(CALLED.map(|(function, _)| function)));
    }

    #[test]
    fn a_client_is_known_by_its_requests() {
        assert_eq!(
            clients(b"..AmazonSQS.SendMessage..Version=2011-06-15..\xff"),
            ["SQS", "STS"]
        );
        assert!(clients(b"arn:aws:sns:us-east-1").is_empty());
    }

    /// Of each function what it has to have, but `odd` of the listener.
    fn check_with(test: &str, odd: Vec<u8>) -> Result<Option<String>, Error> {
        let folder = std::env::temp_dir().join(format!("latchkey-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        for (function, called) in CALLED {
            std::fs::write(folder.join(function), binary(called, UNWINDING))?;
        }
        check(&folder)?;
        std::fs::write(folder.join(CALLED[0].0), odd)?;
        let error = check(&folder).err().map(|error| error.to_string());
        std::fs::remove_dir_all(&folder)?;
        Ok(error)
    }

    fn binary(services: &[&str], end: &[u8]) -> Vec<u8> {
        let of = CLIENTS
            .into_iter()
            .filter(|(service, _)| services.contains(service));
        let words: String = of.map(|(_, word)| word).collect();
        [words.as_bytes(), end].concat()
    }

    #[test]
    fn a_client_too_many_is_an_error_and_so_is_one_too_few() -> Result<(), Error> {
        for (services, what) in [(&["DynamoDB", "SQS", "STS"][..], "STS"), (&["SQS"], "[\"SQS\"]")] {
            let error = check_with("clients", binary(services, UNWINDING))?;
            assert!(error.is_some_and(|error| error.contains(what)));
        }
        Ok(())
    }

    #[test]
    fn a_function_that_the_host_linked_is_an_error() -> Result<(), Error> {
        let end = [UNWINDING, b"..libgcc_s.so.1"].concat();
        let error = check_with("host", binary(&["DynamoDB", "SQS"], &end))?;
        assert!(error.is_some_and(|error| error.contains("host's linker")));
        Ok(())
    }

    #[test]
    fn a_function_that_aborts_is_an_error() -> Result<(), Error> {
        let error = check_with("aborts", binary(&["DynamoDB", "SQS"], b"MOZ RUST"))?;
        assert!(error.is_some_and(|error| error.contains("aborts")));
        Ok(())
    }
}
