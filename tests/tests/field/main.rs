//! What people who do this job ran into: real bug reports, policies and events, each tried end to end in the local
//! AWS. Each test says which case it is, and at which commit it failed or which guard's removal makes it fail.
//!
//! Behind each case stand tests elsewhere that are about it, too; C are cases that were right
//! before.
//!
//! | case | situation | test |
//! |---|---|---|
//! | A1 | the stack's resource has another type, or more than 32 KB of properties | |
//! | A2 | the role lets in anybody who has the external ID | |
//! | A3 | the role does not let its own trust policy be read | |
//! | A4 | permissions under a condition, a boundary, an organization's policies | |
//! | A5 | a stack that is updated more than 20 times within an hour | |
//! | A6 | another tier chosen in the stack than the link asks for | |
//! | A7 | the next external ID for a stack that the Terraform module made | |
//! | A8 | JSON arrays in place of objects | `functions/link-generator/tests/api/refusals.rs` `a_body_that_is_not_what_a_route_takes_is_refused` |
//! | A9 | names with joiners (Persian, Hindi, Sinhala) and emoji of several parts | `shared/core/src/domain/plain_text.rs` `texts_of_the_world_are_plain` |
//! | A10 | tenants whose names have a bar, as Auth0's | |
//! | A11 | a link for an account that is connected already | `shared/core/tests/start_connection.rs` `an_account_whose_connection_is_degraded_or_over_gets_a_link` |
//! | A12 | a stack that went without telling us | `tests/tests/hostile/class_17_the_vendor_is_down.rs` `a_stack_whose_deletion_was_forced_while_we_were_down_is_found_by_its_missing_role` |
//! | A13 | sentences about stacks for roles that were made by hand | `shared/core/src/domain/proof/reason.rs` `whoever_made_a_role_by_hand_reads_of_no_stack_and_no_link` |
//! | A14 | a region without a topic | `tests/tests/hostile/class_18_a_region_without_a_topic.rs` `a_stack_in_a_region_without_a_topic_fails_at_once_and_the_link_works_where_it_was_made_for` |
//! | A15 | a blank or a line break around a value | `shared/api-types/src/request.rs` `what_a_person_pastes_is_read_as_it_was_meant` |
//! | A16 | trust conditions that nobody can meet | |
//! | A17 | the Terraform module's stack under another name: the old one is deleted | `tests/tests/life_of_a_stack.rs` `deleting_the_stack_disconnects_and_spends_the_link` |
//! | A18 | a renamed resource in an update that fails elsewhere | `shared/core/tests/rollbacks.rs` `a_renamed_resource_that_is_deleted_again_leaves_what_it_replaced` |
//! | A19 | a rotation whose update fails elsewhere | `shared/core/tests/rollbacks.rs` `the_rollback_of_a_rotation_opens_it_again` |
//! | A20 | a role that takes the former external ID and the next | `shared/core/tests/rollbacks.rs` `a_rotation_is_over_once_the_former_external_id_is_refused` |
//! | A21 | an organization that allows no account | |
//! | A22 | the stack is told why it failed, and the vendor is not | |
//! | C13 | one link, two stacks at once | `tests/tests/life_of_a_stack.rs` `two_stacks_of_one_link_launched_at_the_same_time_connect_one_of_them` |
//! | C19 | other things published to the topic | `tests/tests/hostile/class_14_garbage.rs` `a_message_that_is_no_request_of_cloudformation_is_not_worked_on` |
//! | C24 | bodies that are no JSON, too deep, too long, of other types | `functions/link-generator/tests/api/refusals.rs` `a_field_outside_its_limits_is_refused_and_named` |
//! | C25 | pages over many connections | `functions/link-generator/tests/api/lists.rs` `pages_show_each_connection_once_and_nobody_elses` |

mod answers;
mod api;
mod by_hand;
mod deployment;
mod lives;
mod perimeter;
mod simulation;
mod terraform;
mod trust;
