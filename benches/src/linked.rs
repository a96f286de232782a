//! Whose clients a function's binary has: a client that it does not need makes it larger and its start slower.

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

/// Checks that each release binary in `folder` has the clients of the services that it calls, and no other one's.
pub fn check(folder: &Path) -> Result<(), Error> {
    for (function, called) in CALLED {
        let path = folder.join(function);
        let binary = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let linked = clients(&binary);
        if linked != called {
            return Err(format!("{function} calls {called:?} and has clients of {linked:?}").into());
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

    #[test]
    fn a_client_too_many_is_an_error_and_so_is_one_too_few() -> Result<(), Error> {
        let folder = std::env::temp_dir().join(format!("latchkey-linked-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let words = |services: &[&str]| -> String {
            let of = CLIENTS
                .into_iter()
                .filter(|(service, _)| services.contains(service));
            of.map(|(_, word)| word).collect()
        };
        for (function, called) in CALLED {
            std::fs::write(folder.join(function), words(called))?;
        }
        check(&folder)?;
        for (services, what) in [(&["DynamoDB", "SQS", "STS"][..], "STS"), (&["SQS"], "[\"SQS\"]")] {
            std::fs::write(folder.join("custom-resource-listener"), words(services))?;
            let error = check(&folder).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(what)));
        }
        Ok(std::fs::remove_dir_all(&folder)?)
    }
}
