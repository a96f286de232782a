//! Checks, and the counter-tests that show each of them a broken template.

use serde_json::Value;

/// What a check found; empty where all is well.
pub type Problems = Vec<String>;

pub type Check = fn(&Value) -> Problems;

/// A way to break a template, and what it is.
pub type Breakage<'a> = (&'a str, &'a dyn Fn(&mut Value));

/// Shows that the check passes what is in the repository, and that it fails each of `broken`.
pub fn holds_and_notices(check: Check, template: &Value, broken: &[Breakage<'_>]) {
    assert_eq!(check(template), Problems::new());
    for (what, break_it) in broken {
        let mut template_broken = template.clone();
        break_it(&mut template_broken);
        assert_ne!(
            template_broken, *template,
            "the counter-test changes nothing: {what}"
        );
        assert_ne!(check(&template_broken), Problems::new(), "not noticed: {what}");
    }
}

pub fn resource<'a>(template: &'a mut Value, id: &str) -> &'a mut Value {
    &mut template["Resources"][id]["Properties"]
}

pub fn remove(template: &mut Value, id: &str) {
    template["Resources"].as_object_mut().unwrap().remove(id).unwrap();
}

/// The first statement of the role's first policy that has the Sid.
pub fn statement<'a>(template: &'a mut Value, role: &str, sid: &str) -> &'a mut Value {
    let statements = resource(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array_mut()
        .unwrap();
    statements
        .iter_mut()
        .find(|statement| statement["Sid"] == sid)
        .unwrap()
}
