#!/usr/bin/env bash
# Rendered from permissions.yaml; `cargo xtask render` makes it again.
#
# Makes the connection's role by hand, with the AWS CLI, the same as the CloudFormation template __TEMPLATE_VERSION__ makes it. Give its ARN to the vendor
# afterwards: the vendor registers it with POST /v1/connections/<connection id>/role {"role_arn": "..."}, and the same proof applies.
#
#   create-role.sh EXTERNAL_ID [TIER] [ROLE_NAME]
#
# TIER: self-check, account-basics, inventory, inventory-cost, tagging; without one account-basics. For a permissions boundary
# or a path set ROLE_BOUNDARY_ARN or ROLE_PATH; for tags ROLE_TAGS ("Key=a,Value=b Key=c,Value=d"); for a day on which the access ends by itself
# ACCESS_UNTIL (2030-06-30). Credentials and profile come from where the AWS CLI has them.
set -euo pipefail

EXTERNAL_ID=${1:?give the external ID that the vendor shows}
TIER=${2:-account-basics}
ROLE_NAME=${3:-latchkey-connection}
ROLE_PATH=${ROLE_PATH:-/}
ACCESS_UNTIL=${ACCESS_UNTIL:-}
read -ra TAGS <<<"${ROLE_TAGS:-}"

[[ $EXTERNAL_ID =~ ^[a-z][a-z0-9]{31}$ ]] || { echo "the external ID is 32 lower-case letters and digits" >&2; exit 2; }
[[ $ROLE_NAME =~ ^[A-Za-z0-9+=,.@_-]{1,64}$ ]] || { echo "the role's name is 1 to 64 letters, digits and +=,.@_-" >&2; exit 2; }
[[ $ROLE_PATH =~ ^/([A-Za-z0-9+=,.@_-]+/)*$ ]] || { echo "the role's path begins and ends with a slash" >&2; exit 2; }
[[ -z $ACCESS_UNTIL || ( $ACCESS_UNTIL =~ ^2[0-9]{3}-[0-9]{2}-[0-9]{2}$ && $ACCESS_UNTIL > $(date -u +%F) ) ]] || { echo "ACCESS_UNTIL is a day to come, such as 2030-06-30" >&2; exit 2; }
case $TIER in
self-check | account-basics | inventory | inventory-cost | tagging) ;;
  *) echo "there is no tier $TIER" >&2; exit 2 ;;
esac

IDENTITY=$(aws sts get-caller-identity --query Arn --output text)
PARTITION=$(cut -d: -f2 <<<"$IDENTITY")
ACCOUNT_ID=$(cut -d: -f5 <<<"$IDENTITY")
REGION=${AWS_REGION:-$(aws configure get region || true)}
ROLE_ARN="arn:$PARTITION:iam::$ACCOUNT_ID:role$ROLE_PATH$ROLE_NAME"

UNTIL=
[[ -z $ACCESS_UNTIL ]] || UNTIL="\"DateLessThan\": {\"aws:CurrentTime\": \"${ACCESS_UNTIL}T00:00:00Z\"}, "

# Whom the role lets in: roles under one path of the vendor's account, with this connection's external ID.
TRUST=$(cat <<JSON
{
  "Statement": [
    {
      "Action": "sts:AssumeRole",
      "Condition": {
        "ArnLike": {
          "aws:PrincipalArn": "arn:${PARTITION}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*"
        },
        ${UNTIL}"StringEquals": {
          "sts:ExternalId": "${EXTERNAL_ID}"
        }
      },
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:${PARTITION}:iam::__VENDOR_ACCOUNT_ID__:root"
      },
      "Sid": "VendorWithExternalIdOnly"
    },
    {
      "Action": [
        "sts:SetSourceIdentity",
        "sts:TagSession"
      ],
      "Condition": {
        "ArnLike": {
          "aws:PrincipalArn": "arn:${PARTITION}:iam::__VENDOR_ACCOUNT_ID__:role__VENDOR_ROLE_PATH__*"
        },
        "ForAllValues:StringLike": {
          "aws:TagKeys": "latchkey:*"
        }
      },
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:${PARTITION}:iam::__VENDOR_ACCOUNT_ID__:root"
      },
      "Sid": "VendorSaysWhatItComesFor"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)

case $TIER in
  self-check)
    # The vendor can prove that the role is safe, and see nothing else of your account.
    PERMISSIONS=$(cat <<JSON
{
  "Statement": [
    {
      "Action": [
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy"
      ],
      "Effect": "Allow",
      "Resource": "${ROLE_ARN}",
      "Sid": "CheckThisRole"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)
    MANAGED_POLICIES=()
    ;;
  account-basics)
    # The account under its name, and the regions that it uses.
    PERMISSIONS=$(cat <<JSON
{
  "Statement": [
    {
      "Action": [
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy"
      ],
      "Effect": "Allow",
      "Resource": "${ROLE_ARN}",
      "Sid": "CheckThisRole"
    },
    {
      "Action": [
        "ec2:DescribeRegions",
        "iam:ListAccountAliases"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadAccountBasics"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)
    MANAGED_POLICIES=()
    ;;
  inventory)
    # What runs in the account, by name, size and tag; nothing of what is stored in it.
    PERMISSIONS=$(cat <<JSON
{
  "Statement": [
    {
      "Action": [
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy"
      ],
      "Effect": "Allow",
      "Resource": "${ROLE_ARN}",
      "Sid": "CheckThisRole"
    },
    {
      "Action": [
        "ec2:DescribeRegions",
        "iam:ListAccountAliases"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadAccountBasics"
    },
    {
      "Action": [
        "ec2:DescribeInstances",
        "ec2:DescribeVolumes",
        "ecs:ListClusters",
        "eks:ListClusters"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadComputeInventory"
    },
    {
      "Action": [
        "dynamodb:ListTables",
        "rds:DescribeDBInstances",
        "s3:ListAllMyBuckets"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadStorageInventory"
    },
    {
      "Action": [
        "tag:GetResources",
        "tag:GetTagKeys"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadTags"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)
    MANAGED_POLICIES=()
    ;;
  inventory-cost)
    # The inventory, and what it costs.
    PERMISSIONS=$(cat <<JSON
{
  "Statement": [
    {
      "Action": [
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy"
      ],
      "Effect": "Allow",
      "Resource": "${ROLE_ARN}",
      "Sid": "CheckThisRole"
    },
    {
      "Action": [
        "ec2:DescribeRegions",
        "iam:ListAccountAliases"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadAccountBasics"
    },
    {
      "Action": [
        "ec2:DescribeInstances",
        "ec2:DescribeVolumes",
        "ecs:ListClusters",
        "eks:ListClusters"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadComputeInventory"
    },
    {
      "Action": [
        "dynamodb:ListTables",
        "rds:DescribeDBInstances",
        "s3:ListAllMyBuckets"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadStorageInventory"
    },
    {
      "Action": [
        "tag:GetResources",
        "tag:GetTagKeys"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadTags"
    },
    {
      "Action": [
        "ce:GetCostAndUsage",
        "ce:GetCostForecast"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadCost"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)
    MANAGED_POLICIES=()
    ;;
  tagging)
    # The inventory, and tags of the vendor's own on machines and disks; no other tag can be written or removed.
    PERMISSIONS=$(cat <<JSON
{
  "Statement": [
    {
      "Action": [
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy"
      ],
      "Effect": "Allow",
      "Resource": "${ROLE_ARN}",
      "Sid": "CheckThisRole"
    },
    {
      "Action": [
        "ec2:DescribeRegions",
        "iam:ListAccountAliases"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadAccountBasics"
    },
    {
      "Action": [
        "ec2:DescribeInstances",
        "ec2:DescribeVolumes",
        "ecs:ListClusters",
        "eks:ListClusters"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadComputeInventory"
    },
    {
      "Action": [
        "dynamodb:ListTables",
        "rds:DescribeDBInstances",
        "s3:ListAllMyBuckets"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadStorageInventory"
    },
    {
      "Action": [
        "tag:GetResources",
        "tag:GetTagKeys"
      ],
      "Effect": "Allow",
      "Resource": "*",
      "Sid": "ReadTags"
    },
    {
      "Action": [
        "ec2:CreateTags",
        "ec2:DeleteTags"
      ],
      "Condition": {
        "ForAllValues:StringLike": {
          "aws:TagKeys": [
            "example-vendor:*"
          ]
        },
        "Null": {
          "aws:TagKeys": [
            "false"
          ]
        }
      },
      "Effect": "Allow",
      "Resource": [
        "arn:${PARTITION}:ec2:*:${ACCOUNT_ID}:instance/*",
        "arn:${PARTITION}:ec2:*:${ACCOUNT_ID}:volume/*"
      ],
      "Sid": "WriteOwnTags"
    }
  ],
  "Version": "2012-10-17"
}
JSON
)
    MANAGED_POLICIES=()
    ;;
esac

aws iam create-role --role-name "$ROLE_NAME" --path "$ROLE_PATH" --max-session-duration 3600 \
  --assume-role-policy-document "$TRUST" ${ROLE_BOUNDARY_ARN:+--permissions-boundary "$ROLE_BOUNDARY_ARN"} \
  ${TAGS[0]+--tags "${TAGS[@]}"} >/dev/null
aws iam put-role-policy --role-name "$ROLE_NAME" --policy-name connection --policy-document "$PERMISSIONS"
for POLICY in ${MANAGED_POLICIES[@]+"${MANAGED_POLICIES[@]}"}; do
  aws iam attach-role-policy --role-name "$ROLE_NAME" --policy-arn "$POLICY"
done

echo "Made $ROLE_ARN. Give this ARN to the vendor, who proves and registers it."
