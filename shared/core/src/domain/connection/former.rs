//! What an update replaced. CloudFormation keeps it until the whole update went through: should
//! something else in the stack fail, the update is rolled back, and what was replaced is what the
//! stack has.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Binding, Connection, Rotation, State};
use crate::domain::{aws::StackId, external_id::ExternalId, request::custom_resource::RequestKey};

/// What a rollback brings back, until CloudFormation cleans up after the update: by a Delete of the
/// former resource, or, at the latest, before its next update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The external ID that was bound.
    pub external_id: ExternalId,
    /// The rotation that was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// What was bound and how it stood, where another resource of the stack took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<State>>,
}

impl Binding {
    /// The resource of the same stack whose place this one took, while a rollback may bring it
    /// back.
    pub fn former_resource(&self) -> Option<&Self> {
        self.former.as_ref()?.state.as_ref()?.live_binding()
    }

    /// Whether it is this resource of a stack, by the id that we gave it.
    pub fn is_resource(&self, stack_id: &StackId, physical_resource_id: Option<&str>) -> bool {
        self.stack_id() == Some(stack_id) && physical_resource_id == Some(&self.physical_resource_id)
    }

    /// Whether both are the same resource with the same role, external ID, tier and template.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        self.physical_resource_id == other.physical_resource_id
            && self.role_arn == other.role_arn
            && self.external_id == other.external_id
            && self.permission_tier == other.permission_tier
            && self.template_version == other.template_version
            && self.says == other.says
    }

    /// When the latest answered request of a resource was sent, be it this one's or the former's.
    pub(in crate::domain) fn answered_at_of(
        &self,
        stack_id: &StackId,
        logical_id: &str,
    ) -> Option<Timestamp> {
        let known = [Some(self), self.former_resource()];
        let mut of_resource = known
            .into_iter()
            .flatten()
            .filter(|bound| bound.is_named(stack_id, logical_id));
        of_resource.next()?.answered_at
    }

    /// When the latest answered request of the resource of `binding` was sent, as far as this one
    /// knows it.
    pub(super) fn answered_before(&self, binding: &Self) -> Option<Timestamp> {
        let stack_id = binding.stack_id()?;
        self.answered_at_of(stack_id, &binding.logical_resource_id)
    }

    /// The same with nothing to bring back.
    pub(super) fn without_former(self) -> Self {
        Self { former: None, ..self }
    }

    /// Whether it has this name in this stack's template.
    pub(super) fn is_named(&self, stack_id: &StackId, logical_id: &str) -> bool {
        self.stack_id() == Some(stack_id) && self.logical_resource_id == logical_id
    }

    fn note_answered(&mut self, stack_id: &StackId, logical_id: &str, sent_at: Timestamp) {
        if self.is_named(stack_id, logical_id) {
            self.answered_at = self.answered_at.max(Some(sent_at));
        }
        let former = self.former.as_mut().and_then(|former| former.state.as_mut());
        let replaced = self.unsettled.as_mut().and_then(|it| it.replaces.as_mut());
        for state in former.into_iter().chain(replaced) {
            if let Some(bound) = state.live_binding_mut() {
                bound.note_answered(stack_id, logical_id, sent_at);
            }
        }
    }
}

impl Connection {
    /// What a rollback of the change from `current` to `binding` would bring back. Where a role was
    /// made by hand nobody rolls anything back.
    pub(super) fn former(&self, current: &State, bound: &Binding, binding: &Binding) -> Option<Former> {
        bound.stack_id()?;
        let is_other = bound.physical_resource_id != binding.physical_resource_id;
        let next = self.rotation.as_ref().map(|rotation| &rotation.external_id);
        let rotates = binding.external_id != bound.external_id && next == Some(&binding.external_id);
        (is_other || rotates).then(|| Former {
            external_id: bound.external_id.clone(),
            rotation: self.rotation.clone(),
            state: is_other.then(|| Box::new(current.alone())),
        })
    }

    /// The rotation that is open again once the answer to `request` is taken, which brings a former
    /// external ID back.
    pub(super) fn rotation_brought_back_by(&self, request: &RequestKey) -> Option<Rotation> {
        let binding = self.live_binding().filter(|bound| bound.request == *request)?;
        let former = binding.replaced()?.former.as_ref()?;
        let comes_back = former.external_id == binding.external_id && binding.external_id != self.external_id;
        former.rotation.clone().filter(|_| comes_back)
    }

    /// The same connection once its stack is known to have kept what is bound.
    #[must_use]
    pub fn without_former(mut self) -> Self {
        if let Some(binding) = self.state.live_binding_mut() {
            binding.former = None;
        }
        self
    }

    /// The same connection, with the note that CloudFormation took our answer to a request of this
    /// resource which was sent at `sent_at`.
    #[must_use]
    pub fn with_answered(mut self, stack_id: &StackId, logical_id: &str, sent_at: Timestamp) -> Self {
        if let Some(binding) = self.state.live_binding_mut() {
            binding.note_answered(stack_id, logical_id, sent_at);
        }
        self
    }
}

impl State {
    /// The same state without what it replaced itself.
    pub(super) fn alone(&self) -> Self {
        let mut state = self.clone();
        if let Some(binding) = state.live_binding_mut() {
            binding.former = None;
            binding.unsettled = None;
        }
        state
    }

    /// The same state once CloudFormation has deleted the resource `physical_resource_id`, whose
    /// place another one took.
    pub(super) fn with_former_deleted(&self, physical_resource_id: &str, at: Timestamp) -> Self {
        let mut state = self.clone();
        let Some(binding) = state.live_binding_mut() else {
            return state;
        };
        binding.former = None;
        let replaced = binding.unsettled.as_mut().and_then(|it| it.replaces.as_mut());
        if let Some(replaced) = replaced.and_then(|state| state.live_binding_mut())
            && replaced.physical_resource_id == physical_resource_id
        {
            // Should this one be undone, a look at the role decides.
            replaced.deletion_seen_at = Some(at);
        }
        state
    }
}
