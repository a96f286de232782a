"""Correction: a stack's table has the time to live and the point-in-time recovery of its template."""

from .wrapping import wrap


def apply():
    """AWS: both hold from the table's creation on. MiniStack ignores them, so that leaving them out looks like setting them."""
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    def is_true(value):
        return str(value).lower() == "true"

    def settle(name, properties):
        ttl = properties.get("TimeToLiveSpecification")
        recovery = properties.get("PointInTimeRecoverySpecification", {})
        dynamodb._pitr_settings[name] = is_true(recovery.get("PointInTimeRecoveryEnabled"))
        dynamodb._ttl_settings.pop(name, None)
        if ttl:
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": {
                "AttributeName": ttl.get("AttributeName"), "Enabled": is_true(ttl.get("Enabled"))}})

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    for name, parameters in (("create", ("logical_id", "props", "stack_name")),
                             ("update", ("physical_id", "old_props", "new_props", "stack_name", "logical_id"))):
        def make_wrapper(original, properties=parameters.index("stack_name") - 1):
            def provision(*arguments, **named):
                table, attributes = original(*arguments, **named)
                settle(table, arguments[properties])
                return table, attributes
            return provision

        wrap(provisioners, f"_ddb_{name}", parameters, make_wrapper)
        # The table of resource types holds the functions themselves.
        handlers[name] = getattr(provisioners, f"_ddb_{name}")
