//! A stack is told what became of its request, and what its bucket says of that is taken for what it proves.

use std::sync::Arc;

use super::{is_stored, retry_commit};
use crate::{
    domain::{
        audit::{Actor, rotation_event},
        connection::Event,
        request::{
            custom_resource::{Envelope, Outcome, Unread, answer_body},
            request_record::RequestRecord,
            response_url::ResponseUrl,
        },
    },
    ports::{AnswerSender, Change, Clock, ConnectionStore, Delivery, RequestChange, Unavailable},
};

/// Answers stacks.
pub struct AnswerStack {
    /// Where connections and requests are kept.
    pub store: Arc<dyn ConnectionStore>,
    /// The way to CloudFormation's bucket.
    pub sender: Arc<dyn AnswerSender>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What became of a decided answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// The stack's bucket said this to it, now.
    Now(Delivery),
    /// It was delivered before.
    Before,
    /// The stored URL does not pass the guard: somebody else wrote it. Nothing was opened.
    BadUrl,
}

impl Answered {
    /// Its stable name in logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Now(Delivery::Accepted) => "answered",
            Self::Now(Delivery::Refused) => "answer_refused",
            Self::Before => "answered_before",
            Self::BadUrl => "bad_answer_url",
        }
    }
}

impl AnswerStack {
    /// Answers a request that was decided on the spot.
    pub async fn answer(&self, envelope: &Envelope, outcome: &Outcome) -> Result<Delivery, Unavailable> {
        let physical_resource_id = envelope.answered_physical_resource_id();
        let body = answer_body(
            &envelope.key,
            &envelope.logical_resource_id,
            &physical_resource_id,
            outcome,
        );
        self.send(&envelope.response_url, body).await
    }

    /// Answers a request that is not worked on.
    pub async fn answer_unread(&self, unread: &Unread) -> Result<Answered, Unavailable> {
        let body = answer_body(
            &unread.key,
            &unread.logical_resource_id,
            &unread.physical_resource_id,
            &unread.outcome(),
        );
        self.send(&unread.response_url, body).await.map(Answered::Now)
    }

    /// Sends an answer as it is.
    pub async fn send(&self, url: &ResponseUrl, body: String) -> Result<Delivery, Unavailable> {
        self.sender.send(url, body).await
    }

    /// Delivers the stored answer of `record`, once, and settles its connection by what comes back (I5, I6).
    pub async fn deliver(&self, record: &RequestRecord) -> Result<Answered, Unavailable> {
        if record.key.stack_id.is_none() {
            // Nobody waits for an answer, and the vendor's own call needs no proof of where it came from.
            if record.is_settled {
                return Ok(Answered::Before);
            }
            self.settle(record, Delivery::Accepted).await?;
            return Ok(Answered::Now(Delivery::Accepted));
        }
        let (Some(body), Some(url)) = (record.answer_body(), record.response_url()) else {
            return Ok(Answered::Before);
        };
        let Ok(url) = url else {
            return Ok(Answered::BadUrl);
        };
        let delivery = self.send(&url, body).await?;
        self.settle(record, delivery).await?;
        Ok(Answered::Now(delivery))
    }

    async fn settle(&self, record: &RequestRecord, delivery: Delivery) -> Result<(), Unavailable> {
        let delivered = record.clone().delivered();
        retry_commit("answer_stack", async || {
            let Some(before) = self.store.get(&record.tenant, &record.connection_id).await? else {
                return Ok(Some(()));
            };
            let now = self.clock.now();
            let request = record.key.clone();
            let event = match (delivery, &record.outcome) {
                // Only now: a forged request leaves nothing to read.
                (Delivery::Accepted, Some(Outcome::Refused { reason })) => Event::AttemptFailed {
                    request,
                    reason: reason.clone(),
                },
                (Delivery::Accepted, _) => Event::AnswerAccepted { request },
                (Delivery::Refused, _) => Event::AnswerRefused { request },
            };
            let name = event.name();
            let mut after = before
                .apply(event, now)
                .map_err(|error| Unavailable::new("answer_stack", error))?;
            if let (Delivery::Accepted, Some((stack_id, resource))) = (delivery, record.resource()) {
                after = after.with_answered(stack_id, resource, record.published_at);
            }
            if !after.tells_more_than(&before) {
                after = before.clone();
            }
            // An accepted answer is what everybody expects, unless it ended a rotation; a refused one is news.
            let news = rotation_event(&before, &after).or((delivery == Delivery::Refused).then_some(name));
            let mut change = Change::new(&before, &after).with_request(RequestChange::Deliver(&delivered));
            if let Some(name) = news {
                change = change.audited(Actor::CustomerStack, name, Some(&record.key), now);
            }
            Ok(is_stored(&*self.store, change).await?.then_some(()))
        })
        .await
    }
}
