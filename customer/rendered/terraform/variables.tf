variable "external_id" {
  description = "The value that the vendor made for this one connection; it is no secret."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{31}$", var.external_id))
    error_message = "external_id must be the value that the vendor shows, 32 lower-case letters and digits."
  }
}

variable "permission_tier" {
  description = "What the vendor may do; the security page has every permission with its reason. self-check: The vendor can prove that the role is safe, and see nothing else of your account. account-basics: The account under its name, and the regions that it uses. inventory: What runs in the account, by name, size and tag; nothing of what is stored in it. inventory-cost: The inventory, and what it costs. tagging: The inventory, and tags of the vendor's own on machines and disks; no other tag can be written or removed."
  type        = string
  default     = "account-basics"

  validation {
    condition     = contains(["self-check", "account-basics", "inventory", "inventory-cost", "tagging"], var.permission_tier)
    error_message = "permission_tier must be one of self-check, account-basics, inventory, inventory-cost, tagging."
  }
}

variable "role_name" {
  description = "A name for the role. Null for one that begins with role_name_prefix."
  type        = string
  default     = null

  validation {
    condition     = var.role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.role_name))
    error_message = "role_name must be 1 to 64 letters, digits and +=,.@_-."
  }
}

variable "role_name_prefix" {
  description = "How the role's name begins where role_name is null."
  type        = string
  default     = "connection-"

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,38}$", var.role_name_prefix))
    error_message = "role_name_prefix must be 1 to 38 letters, digits and +=,.@_-."
  }
}

variable "role_path" {
  description = "The role's IAM path."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]{1,64}/){0,7}$", var.role_path))
    error_message = "role_path must begin and end with a slash."
  }
}

variable "permissions_boundary_arn" {
  description = "The ARN of the permissions boundary that roles must have in the account. Null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[!-~]{1,512}$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy."
  }
}

variable "allowed_source_ips" {
  description = "Lets the vendor in from these address ranges only. The vendor's calls come from no fixed addresses: leave it empty. Empty for none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.allowed_source_ips : can(cidrhost(range, 0)) && !endswith(range, "/0")])
    error_message = "allowed_source_ips must be address ranges such as 192.0.2.0/24, and not every address there is."
  }
}

variable "allowed_organization_id" {
  description = "Lets the vendor in only from an account of this AWS organization. The vendor names none: leave it empty. Empty for none."
  type        = string
  default     = null

  validation {
    condition     = var.allowed_organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.allowed_organization_id))
    error_message = "allowed_organization_id must be the id of an AWS organization, such as o-abcdefghij."
  }
}

variable "access_until" {
  description = "The day on which the vendor's access ends by itself, at 00:00 UTC, such as 2030-06-30. Nobody is let in from then on; an update with a later day lets the vendor in again. Empty for no end."
  type        = string
  default     = null

  validation {
    condition     = var.access_until == null || (can(regex("^2[0-9]{3}-[0-9]{2}-[0-9]{2}$", var.access_until)) && can(formatdate("YYYY", "${var.access_until}T00:00:00Z")))
    error_message = "access_until must be a day such as 2030-06-30."
  }
}

variable "stack_name" {
  # Terraform replaces a stack that is renamed: the old one's end is told to the vendor, which ends the connection, and its external ID with it.
  description = "The name of the CloudFormation stack that tells the vendor about the role. Do not change it later: that deletes the stack, which disconnects, and the vendor's new external ID is needed."
  type        = string
  default     = "latchkey-connection"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,127}$", var.stack_name))
    error_message = "stack_name must be a letter, then letters, digits and dashes."
  }
}

variable "tags" {
  description = "Tags for the role and the stack, such as those by which your organization's policies let a role be."
  type        = map(string)
  default     = {}
}
