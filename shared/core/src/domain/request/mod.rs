//! A custom resource's request, from its message to its stored answer.

pub mod admission;
pub mod custom_resource;
pub mod request_budget;
pub mod request_record;
pub mod response_url;
pub mod stack_says;
