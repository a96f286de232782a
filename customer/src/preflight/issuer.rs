//! The issuer of the API's tokens: API Gateway reads its discovery document while it deploys, and fails the deployment
//! if it cannot. It takes RSA signatures alone, and says so only by 401 for every token.

use latchkey_core::ports::PublicReader;
use serde_json::Value;

use super::{Finding, Level};

/// What API Gateway appends to the issuer.
const DISCOVERY: &str = "/.well-known/openid-configuration";

pub(super) async fn finding(reader: &dyn PublicReader, issuer: &str) -> Finding {
    if issuer.is_empty() {
        return Finding::new(
            Level::NotAsked,
            "JwtIssuer is not named, so that no issuer was asked",
            "name it as JwtIssuer=https://…, or deploy without it: the API then takes requests that are signed for IAM alone",
        );
    }
    let document = match read(reader, &format!("{}{DISCOVERY}", issuer.trim_end_matches('/'))).await {
        Ok(document) => document,
        Err(found) => return found,
    };
    let named = document["issuer"].as_str().unwrap_or_default();
    if named != issuer {
        return Finding::stop(
            format!("the issuer calls itself {named:?}, and JwtIssuer is {issuer:?}"),
            "JwtIssuer must be the `iss` of the tokens, letter by letter, slashes included",
        );
    }
    let keys = match document["jwks_uri"].as_str() {
        Some(url) => match read(reader, url).await {
            Ok(keys) => keys,
            Err(found) => return found,
        },
        None => {
            return Finding::stop(
                "the issuer names no jwks_uri",
                "this is no issuer that API Gateway can use",
            );
        }
    };
    let keys = keys["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !keys.iter().any(|key| key["kty"] == "RSA") {
        let kinds: Vec<&str> = keys.iter().filter_map(|key| key["kty"].as_str()).collect();
        return Finding::stop(
            format!(
                "the issuer has no RSA key (but {}): every token would be refused",
                kinds.join(", ")
            ),
            "let it sign with RS256, RS384 or RS512: API Gateway takes no others",
        );
    }
    Finding::fine(
        "the issuer's discovery document and keys are there; API Gateway reads them from the internet",
    )
}

async fn read(reader: &dyn PublicReader, url: &str) -> Result<Value, Finding> {
    let stop = |problem: String| {
        Finding::stop(
            format!("{url} {problem}"),
            "API Gateway reads it from the internet while it deploys: no VPN, no filter of addresses, no other path",
        )
    };
    match reader.read(url).await {
        Ok(Ok(bytes)) => {
            serde_json::from_slice(&bytes).map_err(|error| stop(format!("is not JSON: {error}")))
        }
        Ok(Err(status)) => Err(stop(format!("answers {status}"))),
        Err(error) => Err(stop(format!(
            "cannot be read: {}",
            latchkey_aws::telemetry::causes(&error)
        ))),
    }
}
