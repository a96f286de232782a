//! The system's clock and randomness.

use jiff::Timestamp;
use latchkey_core::{
    domain::{
        external_id::{EXTERNAL_ID_CHARS, ExternalId},
        ids::{CONNECTION_ID_CUID_CHARS, CONNECTION_ID_PREFIX, ConnectionId},
        invalid::Invalid,
    },
    ports::{Clock, IdSource},
};

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// CUID2 from the system's randomness.
pub struct Cuid2Ids;

fn cuid2_of(chars: u16) -> String {
    cuid2::CuidConstructor::new().with_length(chars).create_id()
}

/// Draws until one parses. The first does: CUID2's form is what our parsers ask for, and should that ever change,
/// no id is handed out that we could not read back.
fn draw<T>(parse: impl Fn() -> Result<T, Invalid>) -> T {
    loop {
        if let Ok(id) = parse() {
            return id;
        }
    }
}

impl IdSource for Cuid2Ids {
    fn connection_id(&self) -> ConnectionId {
        draw(|| {
            ConnectionId::parse(&format!(
                "{CONNECTION_ID_PREFIX}{}",
                cuid2_of(CONNECTION_ID_CUID_CHARS as u16)
            ))
        })
    }

    fn external_id(&self) -> ExternalId {
        draw(|| ExternalId::parse(&cuid2_of(EXTERNAL_ID_CHARS as u16)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_that_is_made_is_one_that_is_read_and_none_comes_twice() {
        let made: std::collections::HashSet<String> =
            (0..2_000).map(|_| Cuid2Ids.external_id().to_string()).collect();
        assert_eq!(made.len(), 2_000);
        assert!(made.iter().all(|id| ExternalId::parse(id).is_ok()));
        assert!((0..2_000).all(|_| Cuid2Ids.connection_id().as_str().starts_with("conn_")));
    }
}
