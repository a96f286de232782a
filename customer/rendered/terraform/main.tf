# Rendered from permissions.yaml; `cargo xtask render` makes it again. The same role as the CloudFormation template makes, and the same way to tell the
# vendor about it: a stack that holds nothing but the message, so that the same checks answer.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  vendor_account_id = "__VENDOR_ACCOUNT_ID__"
  vendor_role_path  = "__VENDOR_ROLE_PATH__"
  listener_topic    = "__LISTENER_TOPIC_NAME__"
  template_version  = "__TEMPLATE_VERSION__"
  served_regions    = split(", ", "__SERVED_REGIONS__")

  # `region` in version 6 of the provider, `name` before.
  region = try(data.aws_region.current.region, data.aws_region.current.name)

  vendor       = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.vendor_account_id}:root" }
  vendor_roles = { "aws:PrincipalArn" = "arn:${data.aws_partition.current.partition}:iam::${local.vendor_account_id}:role${local.vendor_role_path}*" }

  # Whom the role lets in: roles under one path of the vendor's account, with this connection's external ID. The second statement lets nobody in by
  # itself: what the first one lets in may say what it comes for, and your CloudTrail keeps it.
  trust_policy = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "VendorWithExternalIdOnly"
        Effect    = "Allow"
        Principal = local.vendor
        Action    = "sts:AssumeRole"
        Condition = merge(
          {
            ArnLike = local.vendor_roles
            StringEquals = merge(
              { "sts:ExternalId" = var.external_id },
              var.allowed_organization_id == null ? {} : { "aws:PrincipalOrgID" = var.allowed_organization_id },
            )
          },
          length(var.allowed_source_ips) == 0 ? {} : { IpAddress = { "aws:SourceIp" = var.allowed_source_ips } },
          var.access_until == null ? {} : { DateLessThan = { "aws:CurrentTime" = "${var.access_until}T00:00:00Z" } },
        )
      },
      {
        Sid       = "VendorSaysWhatItComesFor"
        Effect    = "Allow"
        Principal = local.vendor
        Action    = ["sts:SetSourceIdentity", "sts:TagSession"]
        Condition = {
          ArnLike                   = local.vendor_roles
          "ForAllValues:StringLike" = { "aws:TagKeys" = "latchkey:*" }
        }
      },
    ]
  }

  # What each tier grants, by the name of its statements below.
  tiers = {
    "self-check"     = ["CheckThisRole"]
    "account-basics" = ["CheckThisRole", "ReadAccountBasics"]
    "inventory"      = ["CheckThisRole", "ReadAccountBasics", "ReadComputeInventory", "ReadStorageInventory", "ReadTags"]
    "inventory-cost" = ["CheckThisRole", "ReadAccountBasics", "ReadComputeInventory", "ReadStorageInventory", "ReadTags", "ReadCost"]
    "tagging"        = ["CheckThisRole", "ReadAccountBasics", "ReadComputeInventory", "ReadStorageInventory", "ReadTags", "WriteOwnTags"]
  }

  # AWS's own policies that each tier attaches.
  managed_policies = {
    "self-check"     = []
    "account-basics" = []
    "inventory"      = []
    "inventory-cost" = []
    "tagging"        = []
  }

  statements = {
    # Why: to see that this role has what the vendor needs and nothing more.
    CheckThisRole = {
      Sid      = "CheckThisRole"
      Effect   = "Allow"
      Action   = ["iam:GetRole", "iam:SimulatePrincipalPolicy"]
      Resource = aws_iam_role.connection.arn
    }
    # Why: to show the account under its name and to know which regions it uses.
    ReadAccountBasics = {
      Sid      = "ReadAccountBasics"
      Effect   = "Allow"
      Action   = ["ec2:DescribeRegions", "iam:ListAccountAliases"]
      Resource = "*"
    }
    # Why: to list the machines, disks and clusters of the account.
    ReadComputeInventory = {
      Sid      = "ReadComputeInventory"
      Effect   = "Allow"
      Action   = ["ec2:DescribeInstances", "ec2:DescribeVolumes", "ecs:ListClusters", "eks:ListClusters"]
      Resource = "*"
    }
    # Why: to list databases, tables and buckets by name, never what is in them.
    ReadStorageInventory = {
      Sid      = "ReadStorageInventory"
      Effect   = "Allow"
      Action   = ["dynamodb:ListTables", "rds:DescribeDBInstances", "s3:ListAllMyBuckets"]
      Resource = "*"
    }
    # Why: to group what runs by your own tags.
    ReadTags = {
      Sid      = "ReadTags"
      Effect   = "Allow"
      Action   = ["tag:GetResources", "tag:GetTagKeys"]
      Resource = "*"
    }
    # Why: to show what each part of the inventory costs and is going to cost.
    ReadCost = {
      Sid      = "ReadCost"
      Effect   = "Allow"
      Action   = ["ce:GetCostAndUsage", "ce:GetCostForecast"]
      Resource = "*"
    }
    # Why: to mark what a rule of yours is about with tags of our own prefix, example-vendor.
    WriteOwnTags = {
      Sid      = "WriteOwnTags"
      Effect   = "Allow"
      Action   = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource = ["arn:${data.aws_partition.current.partition}:ec2:*:${data.aws_caller_identity.current.account_id}:instance/*", "arn:${data.aws_partition.current.partition}:ec2:*:${data.aws_caller_identity.current.account_id}:volume/*"]
      Condition = {
        "ForAllValues:StringLike" = {
          "aws:TagKeys" = ["example-vendor:*"]
        }
        "Null" = {
          "aws:TagKeys" = ["false"]
        }
      }
    }
  }
}

resource "aws_iam_role" "connection" {
  name                 = var.role_name
  name_prefix          = var.role_name == null ? var.role_name_prefix : null
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "Lets the vendor's AWS account ${local.vendor_account_id} do what its permission tier says and check this role itself."
  max_session_duration = 3600
  assume_role_policy   = jsonencode(local.trust_policy)
  tags                 = var.tags
}

resource "aws_iam_role_policy" "connection" {
  name = "connection"
  role = aws_iam_role.connection.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for sid in local.tiers[var.permission_tier] : local.statements[sid]]
  })
}

resource "aws_iam_role_policy_attachment" "connection" {
  for_each = toset(local.managed_policies[var.permission_tier])

  role       = aws_iam_role.connection.name
  policy_arn = each.value
}

# The message to the vendor. Made last and destroyed first. It fails with the vendor's own sentence if the role is not safe.
resource "aws_cloudformation_stack" "connection" {
  # checkov:skip=CKV_AWS_124:whoever applies sees the outcome; the stack holds nothing that changes by itself
  name               = var.stack_name
  timeout_in_minutes = 15
  tags               = var.tags
  template_body = jsonencode({
    AWSTemplateFormatVersion = "2010-09-09"
    Description              = "Tells the vendor's AWS account ${local.vendor_account_id} about the role ${aws_iam_role.connection.name}."
    Resources = {
      Connection = {
        Type = "Custom::LatchkeyConnection"
        Properties = merge(
          {
            ServiceToken    = "arn:${data.aws_partition.current.partition}:sns:${local.region}:${local.vendor_account_id}:${local.listener_topic}"
            ServiceTimeout  = 300
            ExternalId      = var.external_id
            RoleArn         = aws_iam_role.connection.arn
            TemplateVersion = local.template_version
            PermissionTier  = var.permission_tier
            MadeBy          = "terraform"
          },
          var.access_until == null ? {} : { AccessUntil = var.access_until },
        )
      }
    }
    Outputs = {
      ConnectionId = { Value = { "Fn::GetAtt" = ["Connection", "ConnectionId"] } }
      Status       = { Value = { "Fn::GetAtt" = ["Connection", "Status"] } }
    }
  })

  depends_on = [aws_iam_role_policy.connection, aws_iam_role_policy_attachment.connection]

  lifecycle {
    precondition {
      condition     = contains(local.served_regions, local.region)
      error_message = "This vendor is not reached from ${local.region}. Use the module with a provider of one of ${join(", ", local.served_regions)}; the role works for every region of the account."
    }
  }
}
