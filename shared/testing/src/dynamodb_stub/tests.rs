//! What the store's contract does not ask of the stub; the contract runs over it in `latchkey-shared`.

use super::*;

fn item(pk: &str, sk: &str, more: &[(&str, &str)]) -> Value {
    let attributes = [("pk", pk), ("sk", sk)].into_iter().chain(more.iter().copied());
    attributes
        .map(|(name, text)| (name.to_owned(), json!({ "S": text })))
        .collect()
}

fn get(table: &mut Table, pk: &str, sk: &str) -> Result<Value, Refusal> {
    let request = json!({ "Key": item(pk, sk, &[]), "ConsistentRead": true });
    Ok(table.call("GetItem", &request, false)?["Item"].take())
}

/// A table with one connection, and with five like it of tenant `a` and five of the next one.
fn crowded() -> Result<Table, Refusal> {
    let original = item(
        "TENANT#a",
        "CONN#z",
        &[
            ("tenant", "a"),
            ("id", "z"),
            ("external_id", "e"),
            ("sweep_role", "r"),
            ("sweep_slot", "active#7"),
            ("filed_under", "active#a"),
        ],
    );
    let mut table = Table::default();
    table.put(&original)?;
    table.gather(Crowd::new(original, 10, 5, |number| {
        format!("active#{}", number % 2)
    }));
    Ok(table)
}

/// The sort keys of all pages of a partition.
fn pages(
    table: &mut Table,
    index: Option<&str>,
    by: &str,
    of: &str,
    limit: u64,
) -> Result<Vec<Vec<String>>, Refusal> {
    let mut request = json!({
        "IndexName": index,
        "KeyConditionExpression": format!("{by} = :of AND begins_with(sk, :prefix)"),
        "ExpressionAttributeValues": { ":of": { "S": of }, ":prefix": { "S": "CONN#" } },
        "Limit": limit,
    });
    let mut pages = Vec::new();
    loop {
        let mut page = table.call("Query", &request, false)?;
        let items = page["Items"].as_array().ok_or("no items")?;
        pages.push(
            items
                .iter()
                .map(|item| table::text(item, "sk").to_owned())
                .collect(),
        );
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"].take();
        if request["ExclusiveStartKey"].is_null() {
            return Ok(pages);
        }
    }
}

fn sort_keys(numbers: &[u32]) -> Vec<String> {
    numbers
        .iter()
        .map(|number| format!("CONN#{}", id(*number)))
        .collect()
}

#[test]
fn a_frozen_write_meets_its_condition_and_changes_nothing() -> Result<(), Refusal> {
    let mut table = Table::default();
    let put = json!({ "Item": item("A", "1", &[]), "ConditionExpression": "attribute_not_exists(pk)" });
    for is_frozen in [true, true, false] {
        table.call("PutItem", &put, is_frozen)?;
    }
    assert_eq!(get(&mut table, "A", "1")?, item("A", "1", &[]));
    assert_eq!(table.call("PutItem", &put, true), Err(Refusal::Condition));
    let transaction =
        json!({ "TransactItems": [{ "Put": { "Item": item("A", "2", &[]) } }, { "Put": put }] });
    let refusal = table.call("TransactWriteItems", &transaction, false);
    assert_eq!(refusal, Err(Refusal::Cancelled(vec![true, false])));
    assert_eq!(get(&mut table, "A", "2")?, Value::Null, "all or none");
    Ok(())
}

#[test]
fn a_crowd_is_read_in_pages_beside_what_is_stored() -> Result<(), Refusal> {
    let mut table = crowded()?;
    for (index, by, of) in [
        (None, "pk", "TENANT#a"),
        (Some("status"), "filed_under", "active#a"),
    ] {
        let pages = pages(&mut table, index, by, of, 4)?;
        let mut last = sort_keys(&[4]);
        last.push("CONN#z".to_owned());
        assert_eq!(pages, [sort_keys(&[0, 1, 2, 3]), last], "{by}");
    }
    let others = pages(&mut table, None, "pk", "TENANT#org_00000001", 10)?;
    assert_eq!(others, [sort_keys(&[5, 6, 7, 8, 9])]);
    let slot = pages(&mut table, Some("sweep"), "sweep_slot", "active#1", 3)?;
    assert_eq!(slot, [sort_keys(&[1, 3, 5]), sort_keys(&[7, 9])]);
    let six = get(&mut table, "TENANT#org_00000001", &format!("CONN#{}", id(6)))?;
    assert_eq!(table::text(&six, "filed_under"), "active#org_00000001");
    assert_eq!(table::text(&six, "sweep_slot"), "active#0");
    Ok(())
}

#[test]
fn a_written_member_of_a_crowd_leaves_its_old_slot() -> Result<(), Refusal> {
    let mut table = crowded()?;
    let moved = item(
        "TENANT#a",
        &format!("CONN#{}", id(3)),
        &[("sweep_slot", "degraded#0")],
    );
    table.put(&moved)?;
    let mut slot = |of| Ok::<_, Refusal>(pages(&mut table, Some("sweep"), "sweep_slot", of, 9)?.concat());
    assert_eq!(slot("active#1")?, sort_keys(&[1, 5, 7, 9]));
    assert_eq!(slot("degraded#0")?, sort_keys(&[3]));
    Ok(())
}

#[test]
fn a_call_that_is_not_understood_is_refused() {
    let key = item("a", "b", &[]);
    let values = json!({ ":a": { "S": "a" } });
    for (operation, request) in [
        ("Scan", json!({})),
        ("GetItem", json!({ "Key": {}, "ConsistentRead": true })),
        ("GetItem", json!({ "Key": key })),
        (
            "UpdateItem",
            json!({ "Key": key, "UpdateExpression": "REMOVE n" }),
        ),
        (
            "PutItem",
            json!({ "Item": key, "ConditionExpression": "n <> :a", "ExpressionAttributeValues": values }),
        ),
        (
            "Query",
            json!({ "KeyConditionExpression": "pk > :a", "ExpressionAttributeValues": values }),
        ),
        (
            "Query",
            json!({ "KeyConditionExpression": "other = :a", "ExpressionAttributeValues": values }),
        ),
    ] {
        let refusal = Table::default().call(operation, &request, false);
        assert!(
            matches!(refusal, Err(Refusal::NotKnown(_))),
            "{operation}: {refusal:?}"
        );
        let body = request.to_string();
        assert_eq!(
            answer(&mut Table::default(), operation, body.as_bytes(), false).0,
            400
        );
    }
}
