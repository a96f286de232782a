//! A table of a test's own, with the keys and indexes of `template.yaml`: nobody sweeps what is
//! stored in it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use serde_json::Value;

use crate::{Error, sam_template::load, scene::fresh_account};

pub async fn new_table(config: &SdkConfig) -> Result<String, Error> {
    let template = load("template.yaml")?;
    let table = &template["Resources"]["Table"]["Properties"];
    let attributes = table["AttributeDefinitions"]
        .as_array()
        .ok_or("no attributes")?
        .iter()
        .map(|attribute| {
            AttributeDefinition::builder()
                .attribute_name(attribute["AttributeName"].as_str().unwrap_or_default())
                .attribute_type(ScalarAttributeType::from(
                    attribute["AttributeType"].as_str().unwrap_or_default(),
                ))
                .build()
        });
    let indexes = table["GlobalSecondaryIndexes"].as_array().ok_or("no index")?;
    let name = format!("contract-{}", fresh_account());
    aws_sdk_dynamodb::Client::new(config)
        .create_table()
        .table_name(&name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.collect::<Result<_, _>>()?))
        .set_key_schema(Some(keys(&table["KeySchema"])?))
        .set_global_secondary_indexes(Some(indexes.iter().map(index).collect::<Result<_, _>>()?))
        .send()
        .await?;
    Ok(name)
}

fn keys(schema: &Value) -> Result<Vec<KeySchemaElement>, Error> {
    let keys = schema.as_array().ok_or("no keys")?.iter().map(|key| {
        KeySchemaElement::builder()
            .attribute_name(key["AttributeName"].as_str().unwrap_or_default())
            .key_type(KeyType::from(key["KeyType"].as_str().unwrap_or_default()))
            .build()
    });
    Ok(keys.collect::<Result<_, _>>()?)
}

fn index(index: &Value) -> Result<GlobalSecondaryIndex, Error> {
    let projection = &index["Projection"];
    let kind = projection["ProjectionType"].as_str().unwrap_or_default();
    let projected = projection["NonKeyAttributes"].as_array().map(|names| {
        let names = names.iter().filter_map(|name| Some(name.as_str()?.to_owned()));
        names.collect()
    });
    Ok(GlobalSecondaryIndex::builder()
        .index_name(index["IndexName"].as_str().unwrap_or_default())
        .set_key_schema(Some(keys(&index["KeySchema"])?))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::from(kind))
                .set_non_key_attributes(projected)
                .build(),
        )
        .build()?)
}
