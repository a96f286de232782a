//! What a customer opens, runs or pastes: launch links, commands of the AWS CLI, StackSets.

pub mod launch_link;
pub mod stack_set;
pub mod stack_update;
