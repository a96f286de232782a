//! What `template.yaml`, the listener topic's template and the customer's template must hold, and the local AWS does
//! not check: resource policies, trust of execution roles, rights of event sources, queues and schedules, who may
//! assume roles, what is public.
//!
//! Every check takes the template and returns what is wrong with it, so that a counter-test can show it a broken
//! one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this file is tests only"
)]

mod api;
mod checking;
mod customer_template;
mod doors;
mod functions;
mod invocation;
mod listener_topics;
mod names;
mod queues;
mod reading;
mod regions;
mod roles;
mod schedule;
mod store;

use latchkey_tests::sam_template::parse;

use crate::{
    api::the_api_has_exactly_its_routes,
    checking::{Check, Problems},
    customer_template::{
        the_connection_is_made_last_and_waits_long_enough,
        the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id,
    },
    functions::{
        each_function_is_built_for_the_same_lambda, each_function_logs_into_its_own_group_for_a_bounded_time,
    },
    invocation::sns_may_invoke_the_listener_from_every_served_region,
    listener_topics::{strangers_may_only_publish_to_the_topic, the_stack_set_makes_the_listener_topics},
    queues::{event_sources_may_be_read_by_their_functions, what_is_given_up_ends_in_a_dead_letter_queue},
    regions::each_region_is_served_where_the_deployment_names_it,
    roles::each_function_may_do_exactly_its_work,
    schedule::the_schedule_may_start_the_revalidator_and_nothing_else,
    store::{
        only_published_templates_are_public, the_table_keeps_what_it_is_given,
        what_the_tools_need_is_an_output,
    },
};

#[test]
fn a_check_over_an_empty_template_is_not_taken_for_a_pass() {
    let empty = parse("Resources: {}").unwrap();
    for check in [
        sns_may_invoke_the_listener_from_every_served_region as Check,
        each_region_is_served_where_the_deployment_names_it,
        the_api_has_exactly_its_routes,
        each_function_may_do_exactly_its_work,
        each_function_is_built_for_the_same_lambda,
        each_function_logs_into_its_own_group_for_a_bounded_time,
        event_sources_may_be_read_by_their_functions,
        what_is_given_up_ends_in_a_dead_letter_queue,
        the_schedule_may_start_the_revalidator_and_nothing_else,
        the_table_keeps_what_it_is_given,
        only_published_templates_are_public,
        the_stack_set_makes_the_listener_topics,
        what_the_tools_need_is_an_output,
        strangers_may_only_publish_to_the_topic,
        the_customers_role_trusts_one_path_of_the_vendor_with_the_external_id,
        the_connection_is_made_last_and_waits_long_enough,
    ] {
        assert_ne!(check(&empty), Problems::new());
    }
}
