//! One module for each door.

mod api;
mod messages;
mod names;
mod permissions;
mod stored;
mod urls;

use std::{fmt::Debug, panic::RefUnwindSafe};

use bolero::check;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::mangle::{Mangled, MangledJson};

/// Inputs of each target in an ordinary run: about a second each.
const INPUTS: usize = 4_000;

fn each_text(inputs: usize, seeds: &[String], holds: impl Fn(String) + RefUnwindSafe) {
    check!()
        .with_type::<Mangled>()
        .with_iterations(inputs)
        .for_each(|mangled| holds(mangled.text(seeds)));
}

fn each_value(seeds: &[Value], holds: impl Fn(Value) + RefUnwindSafe) {
    check!()
        .with_type::<MangledJson>()
        .with_iterations(INPUTS)
        .for_each(|mangled| holds(mangled.value(seeds)));
}

/// What is read of a value, if anything is: printed and read it is the same again.
fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: Value) -> Option<T> {
    let read: T = serde_json::from_value(value).ok()?;
    let printed = serde_json::to_value(&read).unwrap();
    assert_eq!(serde_json::from_value::<T>(printed).unwrap(), read);
    Some(read)
}
