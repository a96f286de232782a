//! What customers run and read: the CloudFormation template of the launch link, made for one deployment and put
//! where their CloudFormation can read it.
//!
//! [`deployment_template`] is pure; [`publish`] is pure up to its one function that talks to AWS. The binary `latchkey-publish`
//! joins both to a deployed stack.

pub mod bundle;
pub mod check;
pub mod deployment;
pub mod deployment_template;
pub mod diff;
pub mod manifest;
pub mod markdown;
pub mod policy;
pub mod preflight;
pub mod publish;
pub mod rendering;
pub mod snapshot;
pub mod tiers;
pub mod verify;
