"""Correction: a table of a stack forgets what is past its time, and can be recovered, as its template says."""

from .wrapping import wrap


def apply():
    """AWS: TimeToLiveSpecification and PointInTimeRecoverySpecification hold from a table's creation on.

    MiniStack ignores both, so that a template that lacks them looks like one that has them.
    """
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    def is_true(value):
        return str(value).lower() == "true"

    def settle(name, properties):
        ttl = properties.get("TimeToLiveSpecification")
        if ttl:
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": {
                "AttributeName": ttl.get("AttributeName"), "Enabled": is_true(ttl.get("Enabled"))}})
        else:
            dynamodb._ttl_settings.pop(name, None)
        recovery = properties.get("PointInTimeRecoverySpecification") or {}
        dynamodb._pitr_settings[name] = is_true(recovery.get("PointInTimeRecoveryEnabled"))

    def make_create(original):
        def ddb_create(logical_id, props, stack_name):
            name, attributes = original(logical_id, props, stack_name)
            settle(name, props)
            return name, attributes
        return ddb_create

    def make_update(original):
        def ddb_update(physical_id, old_props, new_props, stack_name, logical_id=None):
            name, attributes = original(physical_id, old_props, new_props, stack_name, logical_id)
            settle(name, new_props)
            return name, attributes
        return ddb_update

    wrap(provisioners, "_ddb_create", ("logical_id", "props", "stack_name"), make_create)
    wrap(provisioners, "_ddb_update", ("physical_id", "old_props", "new_props", "stack_name", "logical_id"), make_update)
    # The table of resource types holds the functions themselves.
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"].update(
        create=provisioners._ddb_create, update=provisioners._ddb_update)
