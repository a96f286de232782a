//! What CloudFormation's Delete of a resource means for the connection of its stack.

use jiff::Timestamp;

use super::{Binding, Connection};
use crate::domain::aws::StackId;

/// What a Delete means, once the stack's bucket took our answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// Nothing: it is another resource's.
    Nothing,
    /// What is bound is gone.
    Ends,
    /// What is bound is gone, and the former resource was not: the update that replaced it was
    /// rolled back.
    BringsBack(Box<Binding>),
    /// What is bound is gone before CloudFormation took our SUCCESS for it: that is undone.
    Undoes,
    /// The former resource is gone: CloudFormation cleans up after its update.
    CleansUp,
    /// What is bound is said to be gone under an id that we never gave it. A look at the role
    /// decides.
    Doubtful,
}

impl Connection {
    /// What the Delete of a resource means that was sent at `sent_at`.
    pub fn deletion(
        &self,
        stack_id: &StackId,
        logical_id: &str,
        physical_id: Option<&str>,
        sent_at: Timestamp,
    ) -> Deletion {
        let Some(bound) = self.live_binding() else {
            return Deletion::Nothing;
        };
        let former = bound.former_resource();
        let is_former = |former: &&Binding| former.is_resource(stack_id, physical_id);
        let is_bound = bound.is_resource(stack_id, physical_id);
        // The answer that gave it its id came too late: CloudFormation made one up.
        let is_latest = bound.answered_at.is_some_and(|answered_at| answered_at < sent_at);
        match former {
            // Then what stands decides.
            _ if is_bound && bound.replaced().is_some() => Deletion::Undoes,
            Some(former) if is_bound => Deletion::BringsBack(Box::new(former.clone())),
            None if is_bound => Deletion::Ends,
            former if former.as_ref().is_some_and(is_former) => Deletion::CleansUp,
            _ if !bound.is_named(stack_id, logical_id) => Deletion::Nothing,
            _ if bound.unsettled.is_some() => Deletion::Undoes,
            Some(former) if !former.is_named(stack_id, logical_id) && is_latest => {
                Deletion::BringsBack(Box::new(former.clone()))
            }
            _ => Deletion::Doubtful,
        }
    }
}
