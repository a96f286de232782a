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

/// The same with each line of `broken`: what is wrong, ` | `, a place, and what is done there. `= JSON` sets it,
/// `+= JSON` adds to a list, `-= JSON` takes out of one; nothing removes the place. A place is a property of a
/// resource (`Id/Name`) or of a statement of a role (`Id#Sid/Name`), or begins with `/` at the top.
pub fn holds_and_notices_each(check: Check, template: &Value, broken: &str) {
    // A line that ends with `|` or `=` goes on in the next one.
    let broken = broken.replace("|\n", "|").replace("=\n", "=");
    for line in broken.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, change) = line.split_once(" |").unwrap();
        let break_it = |template: &mut Value| apply(template, change.trim());
        holds_and_notices(check, template, &[(what, &break_it)]);
    }
}

fn apply(template: &mut Value, change: &str) {
    let words: Vec<&str> = change.splitn(3, ' ').collect();
    let (place, how) = (words[0], words.get(1).copied());
    let value = || serde_json::from_str::<Value>(words[2].trim()).expect(change);
    let (of, path) = place.split_at(place.find('/').unwrap());
    let root = match of.split_once('#') {
        Some((role, sid)) => statement(template, role, sid),
        None if of.is_empty() => template,
        None => resource(template, of),
    };
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = root.pointer_mut(parent).unwrap();
    let index = last.parse::<usize>();
    match (how, parent) {
        (None, Value::Array(items)) => drop(items.remove(index.unwrap())),
        (None, parent) => drop(parent.as_object_mut().unwrap().remove(last).unwrap()),
        (Some("="), Value::Array(items)) => items[index.unwrap()] = value(),
        (Some("="), parent) => parent[last] = value(),
        (Some("+="), parent) => list(parent, last).push(value()),
        (Some("-="), parent) => {
            let value = value();
            list(parent, last).retain(|item| *item != value);
        }
        _ => panic!("what is {change}?"),
    }
}

fn list<'a>(parent: &'a mut Value, last: &str) -> &'a mut Vec<Value> {
    let place = parent.pointer_mut(&format!("/{last}")).unwrap();
    place.as_array_mut().unwrap()
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
