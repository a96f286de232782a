#!/usr/bin/env bash
#
# A smoke test of a deployed Latchkey against real accounts: connect, prove, disconnect.
#
# It asks the API for a connection, creates the customer's stack from the published template in a *second* account, waits
# until the connection is active, updates the stack to another tier, rotates the external ID, deletes the stack and waits
# until the connection is disconnected. It takes about six minutes, costs nothing worth naming, and removes what it made,
# also when it fails.
#
#   LATCHKEY_API_URL=https://….execute-api.eu-west-1.amazonaws.com \
#   LATCHKEY_TOKEN=eyJ… \
#   CUSTOMER_PROFILE=sandbox \
#   docs/smoke-test.sh
#
#   LATCHKEY_API_URL   output ApiUrl of the vendor's stack
#   LATCHKEY_TOKEN     a token of your identity provider, as your product's UI would send it
#   CUSTOMER_PROFILE   a profile of the AWS CLI with administrator's rights in an account that is NOT the vendor's
#   CUSTOMER_REGION    where to launch; one of ListenerRegions, best not the hub's (default: DefaultRegion of the deployment)
#   UNSAFE_ROLE_TRIES  how often a role without the sts:ExternalId condition is offered, and has to be refused (default: 0;
#                      ten once, before the first customer)
#
# Needs: bash, curl, python3, the AWS CLI. Exits 0 when every step was as it should be, 1 otherwise.
set -euo pipefail

for variable in LATCHKEY_API_URL LATCHKEY_TOKEN CUSTOMER_PROFILE; do
  [[ -n "${!variable:-}" ]] || { echo "smoke test: set $variable; see the head of $0" >&2; exit 1; }
done
for tool in curl python3 aws; do
  command -v "$tool" > /dev/null || { echo "smoke test: $tool is not installed" >&2; exit 1; }
done

readonly API="${LATCHKEY_API_URL%/}"
# How long after the stack is gone the connection may still not say so, in seconds.
readonly DISCONNECT_PATIENCE=60

work=$(mktemp -d)
connection_id=""
stack_id=""
unsafe_role=""
region="${CUSTOMER_REGION:-}"

say() { echo "▸ $*" >&2; }
fail() { echo "✘ $*" >&2; exit 1; }

# api METHOD PATH [BODY] [no-token]: prints the body, leaves the HTTP status in $work/status.
# The token goes through a file descriptor, so that it does not stand in the list of processes.
api() {
  local method=$1 path=$2 body=${3:-} token=${4:-with-token}
  local arguments=(--silent --show-error --max-time 30 --request "$method" --output "$work/body" --write-out '%{http_code}')
  [[ -z "$body" ]] || arguments+=(--header 'content-type: application/json' --data "$body")
  if [[ "$token" == with-token ]]; then
    curl "${arguments[@]}" --header @<(printf 'authorization: Bearer %s\n' "$LATCHKEY_TOKEN") "$API$path" > "$work/status"
  else
    curl "${arguments[@]}" "$API$path" > "$work/status"
  fi
  cat "$work/body"
}

# expect STATUS WHAT: the last call was answered so.
expect() {
  local status; status=$(cat "$work/status")
  [[ "$status" == "$1" ]] || fail "$2: expected HTTP $1, got $status: $(cat "$work/body")"
}

# field PATH: a value of the JSON on stdin, such as template.url; empty where there is none.
field() {
  python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value.get(name) if isinstance(value, dict) else None
print("" if value is None else value)' "$1"
}

customer() { aws --profile "$CUSTOMER_PROFILE" --region "$region" --output text "$@"; }

stack_reasons() {
  customer cloudformation describe-stack-events --stack-name "$stack_id" \
    --query 'StackEvents[?contains(ResourceStatus, `FAILED`)].[LogicalResourceId, ResourceStatusReason]' >&2 || true
}

clean_up() {
  local code=$?
  if [[ $code -ne 0 && -n "$stack_id" ]]; then
    say "cleaning up: deleting the stack $stack_id"
    customer cloudformation delete-stack --stack-name "$stack_id" || true
  fi
  if [[ $code -ne 0 && -n "$connection_id" ]]; then
    say "cleaning up: ending $connection_id"
    api DELETE "/v1/connections/$connection_id" > /dev/null || true
  fi
  [[ -z "$unsafe_role" ]] || customer iam delete-role --role-name "$unsafe_role" || true
  rm -rf "$work"
  exit "$code"
}
trap clean_up EXIT

say "without a token the API answers 401"
api GET /v1/connections "" no-token > /dev/null
expect 401 "a call without a token"

account=$(aws --profile "$CUSTOMER_PROFILE" --region "${CUSTOMER_REGION:-us-east-1}" --output text sts get-caller-identity --query Account)
say "making a connection for account $account"
request=$(python3 -c '
import json, sys
account, region = sys.argv[1:]
print(json.dumps({"name": "Smoke test", "account_id": account} | ({"region": region} if region else {})))' "$account" "$region")
connection=$(api POST /v1/connections "$request")
expect 201 "making a connection"
connection_id=$(field id <<< "$connection")
region=$(field region <<< "$connection")
external_id=$(field external_id <<< "$connection")
[[ $(field status <<< "$connection") == pending ]] || fail "a new connection is not pending: $connection"
say "$connection_id is pending; external ID $external_id, region $region"

stack_name="latchkey-smoke-${connection_id#conn_}"
say "creating the stack $stack_name in account $account, $region"
stack_id=$(customer cloudformation create-stack \
  --stack-name "$stack_name" \
  --template-url "$(field template.url <<< "$connection")" \
  --parameters "ParameterKey=ExternalId,ParameterValue=$external_id" \
  --capabilities CAPABILITY_NAMED_IAM \
  --query StackId)
if ! customer cloudformation wait stack-create-complete --stack-name "$stack_id"; then
  stack_reasons
  fail "the stack was not created"
fi

connection=$(api GET "/v1/connections/$connection_id")
expect 200 "showing the connection"
[[ $(field status <<< "$connection") == active ]] || fail "the stack is complete, but the connection is not active: $connection"
[[ $(field account_id <<< "$connection") == "$account" ]] || fail "another account is connected: $connection"
[[ $(field stack_id <<< "$connection") == "$stack_id" ]] || fail "another stack is connected: $connection"
role=$(customer cloudformation describe-stacks --stack-name "$stack_id" \
  --query 'Stacks[0].Outputs[?OutputKey==`RoleArn`].OutputValue')
[[ $(field role_arn <<< "$connection") == "$role" ]] || fail "another role is connected than $role: $connection"
say "active: $role"

# update_stack PARAMETER...: the same template with these parameters.
update_stack() {
  customer cloudformation update-stack --stack-name "$stack_id" --use-previous-template \
    --capabilities CAPABILITY_NAMED_IAM --parameters "$@" > /dev/null
  if ! customer cloudformation wait stack-update-complete --stack-name "$stack_id"; then
    stack_reasons
    fail "the stack was not updated"
  fi
  connection=$(api GET "/v1/connections/$connection_id")
  expect 200 "showing the connection"
  [[ $(field status <<< "$connection") == active ]] || fail "not active after an update: $connection"
}

say "updating the stack to the tier inventory"
update_stack ParameterKey=ExternalId,UsePreviousValue=true ParameterKey=PermissionTier,ParameterValue=inventory

say "rotating the external ID"
connection=$(api POST "/v1/connections/$connection_id/rotate-external-id")
expect 201 "starting a rotation"
next=$(field rotation.external_id <<< "$connection")
update_stack "ParameterKey=ExternalId,ParameterValue=$next" ParameterKey=PermissionTier,UsePreviousValue=true
[[ $(field external_id <<< "$connection") == "$next" ]] || fail "the rotation is not over: $connection"

# Each try is a new role, and STS may know it in one place and not in another: that must never look like a refusal of
# whoever has no external ID.
for ((try = 1; try <= ${UNSAFE_ROLE_TRIES:-0}; try++)); do
  say "a role without the condition, try $try"
  unsafe_role="latchkey-smoke-unsafe-$RANDOM$RANDOM"
  customer iam get-role --role-name "${role##*/}" --query Role.AssumeRolePolicyDocument --output json | python3 -c '
import json, sys
policy = json.load(sys.stdin)
for statement in policy["Statement"]:
    for conditions in statement.get("Condition", {}).values():
        conditions.pop("sts:ExternalId", None)
    statement["Condition"] = {name: keys for name, keys in statement.get("Condition", {}).items() if keys}
print(json.dumps(policy))' > "$work/trust"
  unsafe_arn=$(customer iam create-role --role-name "$unsafe_role" --assume-role-policy-document "file://$work/trust" --query Role.Arn)
  offered=$(api POST /v1/connections '{"name": "Smoke test, unsafe role"}')
  offered_id=$(field id <<< "$offered")
  api POST "/v1/connections/$offered_id/role" "{\"role_arn\": \"$unsafe_arn\"}" > /dev/null
  while :; do
    offered=$(api GET "/v1/connections/$offered_id")
    [[ -z $(field reason.code <<< "$offered") && $(field status <<< "$offered") != active ]] || break
    sleep 2
  done
  customer iam delete-role --role-name "$unsafe_role"
  unsafe_role=""
  api DELETE "/v1/connections/$offered_id" > /dev/null
  [[ $(field reason.code <<< "$offered") == external_id_not_enforced ]] || fail "an unsafe role was not refused: $offered"
done

say "deleting the stack"
customer cloudformation delete-stack --stack-name "$stack_id"
if ! customer cloudformation wait stack-delete-complete --stack-name "$stack_id"; then
  stack_reasons
  fail "the stack was not deleted"
fi
stack_id=""
deadline=$((SECONDS + DISCONNECT_PATIENCE))
while :; do
  connection=$(api GET "/v1/connections/$connection_id")
  expect 200 "showing the connection"
  [[ $(field status <<< "$connection") != disconnected ]] || break
  ((SECONDS < deadline)) || fail "the stack is gone, but the connection is not disconnected: $connection"
  sleep 2
done
[[ $(field reason.code <<< "$connection") == stack_deleted ]] || fail "disconnected for another reason: $connection"
connection_id=""
say "disconnected: $(field reason.message <<< "$connection")"
echo "✔ connected, proven and disconnected"
