//! What people who do this job ran into: real bug reports, policies and events, each tried end to end in the local
//! AWS. Each test says which case it is, and at which commit it failed or which guard's removal makes it fail.
//!
//! | case | situation |
//! |---|---|
//! | A1 | the stack's resource has another type, or more than 32 KB of properties |
//! | A2 | the role lets in anybody who has the external ID |
//! | A3 | the role does not let its own trust policy be read |
//! | A4 | permissions under a condition, under a boundary, under an organization's policies |
//! | A5 | a stack that is updated more than 20 times within an hour |
//! | A6 | another tier chosen in the stack than the link asks for |
//! | A7 | the next external ID for a stack that the Terraform module made |
//! | A8 | JSON arrays in place of objects |
//! | A9 | names with joiners (Persian, Hindi, Sinhala) and emoji of several parts |
//! | A10 | tenants whose names have a `\|` |
//! | A11 | a link for an account that is connected already |
//! | A12 | a stack that went without telling us |
//! | A13 | sentences about stacks for roles that were made by hand |
//! | A14 | a region without a topic |
//! | A15 | a blank or a line break around a value |
//! | A16 | trust conditions that nobody can meet |
//! | A17 | the Terraform module's stack under another name |
//! | A18 | a renamed resource in an update that fails elsewhere |
//! | A19 | a rotation whose update fails elsewhere |
//! | A20 | a role that takes the former external ID and the next |
//! | A21 | an organization that allows no account |
//! | A22 | the stack is told why it failed, and the vendor is not |

mod api;
mod deployment;
mod simulation;
mod trust;
