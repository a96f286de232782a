//! The tests that attack: one file for each class of hostile or odd input (docs/THREAT-MODEL.md has the table), end to
//! end through the real functions in the local AWS. Each file says what the attack is and what stands against it; that
//! its tests fail without that was tried by taking the guard away (docs/MUTATIONS.md).

mod class_01_another_tenants_role;
mod class_02_an_external_id_of_ones_own;
mod class_03_a_trust_policy_that_lets_others_in;
mod class_04_a_role_loosened_later;
mod class_05_one_account_or_role_claimed_twice;
mod class_06_a_role_made_again;
mod class_07_accounts_that_disagree;
mod class_08_an_invented_stack;
mod class_09_a_forged_delete;
mod class_10_an_answer_url_of_somebody_else;
mod class_11_a_wrong_topic_or_an_old_message;
mod class_12_repeated_and_reordered;
mod class_13_the_delete_of_a_rollback;
mod class_14_garbage;
mod class_15_a_bad_external_id;
mod class_16_iam_and_sts_out_of_order;
mod class_17_the_vendor_is_down;
mod class_18_a_region_without_a_topic;
mod class_19_an_organisations_policies;
mod class_20_a_link_in_the_wrong_hands;
mod class_21_secrets_in_links_and_logs;
mod class_22_template_tampering;
mod class_23_floods_and_log_injection;
mod flood;
mod support;
