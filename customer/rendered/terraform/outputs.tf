output "role_arn" {
  description = "The role that the vendor uses."
  value       = aws_iam_role.connection.arn
}

output "connection_id" {
  description = "The vendor's name for this connection; mention it when you ask for support."
  value       = aws_cloudformation_stack.connection.outputs["ConnectionId"]
}

output "status" {
  description = "What the vendor found when it last answered."
  value       = aws_cloudformation_stack.connection.outputs["Status"]
}

output "template_version" {
  description = "The version of the connection template that this module is the same as."
  value       = local.template_version
}
