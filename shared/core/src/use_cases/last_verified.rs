//! When connections were last verified: what is stored with them, or what the sweep's ledger says, whichever is later.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    domain::{
        connection::Connection,
        sweep::{SweepPlan, ledger::last_verified_at},
    },
    ports::{SweepLedger, Unavailable},
};

/// Reads the ledger.
#[derive(Clone)]
pub struct LastVerified {
    /// Where it is kept.
    pub ledger: Arc<dyn SweepLedger>,
    /// How the sweep is cut.
    pub plan: SweepPlan,
}

impl LastVerified {
    /// A connection with the time when it was last verified.
    pub async fn complete(&self, connection: Connection) -> Result<Connection, Unavailable> {
        let mut connections = [connection];
        self.complete_all(&mut connections).await?;
        let [connection] = connections;
        Ok(connection)
    }

    /// The same for several, with one look at the ledger.
    pub async fn complete_all(&self, connections: &mut [Connection]) -> Result<(), Unavailable> {
        let slot = |connection: &Connection| {
            let is_spoken_for = connection.last_verified_at().is_some() && connection.reason().is_none();
            self.plan.slot(connection).filter(|_| is_spoken_for)
        };
        let slots: BTreeSet<String> = connections.iter().filter_map(slot).collect();
        if slots.is_empty() {
            return Ok(());
        }
        let records = self.ledger.records(&slots).await?;
        for connection in connections {
            let known = slot(connection).and_then(|slot| records.get(&slot));
            if let Some(at) = known.and_then(|records| last_verified_at(connection, records)) {
                *connection = connection.clone().verified_at(at);
            }
        }
        Ok(())
    }
}
