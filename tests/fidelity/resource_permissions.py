"""What CloudFormation asks of each type of resource: the permissions that its handlers declare.

They are in the types' public schemas (`aws cloudformation describe-type --type RESOURCE --type-name …`, `handlers`;
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html). What is for settings that
no template here has (a VPC, a file system, provisioned concurrency, customer keys, replicas) is left out.
"""

from collections.abc import Mapping

_LAMBDA_TAGS = "lambda:ListTags lambda:TagResource lambda:UntagResource"
_DELIVERY = (
    "logs:CreateLogDelivery logs:DeleteLogDelivery logs:DescribeLogGroups logs:DescribeResourcePolicies "
    "logs:GetLogDelivery logs:ListLogDeliveries logs:PutResourcePolicy logs:UpdateLogDelivery"
)
"""For access logs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html."""

_API = "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT"
_ALARM_TAGS = "cloudwatch:ListTagsForResource cloudwatch:TagResource cloudwatch:UntagResource"

_OF_TYPE: Mapping[str, str] = {
    "ApiGatewayV2::Api": _API,
    "ApiGatewayV2::Stage": f"{_API} {_DELIVERY}",
    "CloudFormation::Stack": (
        "cloudformation:CreateStack cloudformation:DeleteStack cloudformation:DescribeStacks "
        "cloudformation:UpdateStack s3:GetObject"
    ),
    "CloudWatch::Alarm": f"cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:PutMetricAlarm {_ALARM_TAGS}",
    "CloudWatch::Dashboard": "cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:PutDashboard",
    "DynamoDB::Table": (
        "dynamodb:CreateTable dynamodb:DeleteTable dynamodb:DescribeContinuousBackups "
        "dynamodb:DescribeContributorInsights dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable "
        "dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource dynamodb:TagResource "
        "dynamodb:UntagResource dynamodb:UpdateContinuousBackups dynamodb:UpdateTable dynamodb:UpdateTimeToLive"
    ),
    "EventSchemas::Registry": (
        "schemas:CreateRegistry schemas:DeleteRegistry schemas:DescribeRegistry schemas:ListTagsForResource "
        "schemas:TagResource schemas:UntagResource schemas:UpdateRegistry"
    ),
    "EventSchemas::RegistryPolicy": (
        "schemas:DeleteResourcePolicy schemas:GetResourcePolicy schemas:PutResourcePolicy"
    ),
    "EventSchemas::Schema": (
        "schemas:CreateSchema schemas:DeleteSchema schemas:DeleteSchemaVersion schemas:DescribeSchema "
        "schemas:ListTagsForResource schemas:TagResource schemas:UntagResource schemas:UpdateSchema"
    ),
    "Events::Archive": "events:CreateArchive events:DeleteArchive events:DescribeArchive events:UpdateArchive "
    "events:PutRule events:PutTargets events:DeleteRule events:RemoveTargets events:DescribeRule",
    "Events::EventBus": (
        "events:CreateEventBus events:DeleteEventBus events:DescribeEventBus events:ListTagsForResource "
        "events:TagResource events:UntagResource events:UpdateEventBus"
    ),
    "Events::EventBusPolicy": "events:DescribeEventBus events:PutPermission events:RemovePermission",
    "Events::Rule": (
        "events:DeleteRule events:DescribeRule events:ListTargetsByRule events:PutRule events:PutTargets "
        "events:RemoveTargets events:TagResource events:UntagResource events:ListTagsForResource"
    ),
    "IAM::Role": (
        "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy "
        "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:PutRolePermissionsBoundary iam:PutRolePolicy "
        "iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription"
    ),
    "KMS::Alias": "kms:CreateAlias kms:DeleteAlias kms:ListAliases kms:UpdateAlias",
    "KMS::Key": (
        "kms:CreateKey kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus "
        "kms:ListResourceTags kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource "
        "kms:UpdateKeyDescription"
    ),
    "Lambda::Alias": (
        "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias lambda:GetProvisionedConcurrencyConfig "
        "lambda:UpdateAlias"
    ),
    "Lambda::EventInvokeConfig": (
        "lambda:DeleteFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
        "lambda:PutFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig"
    ),
    "Lambda::EventSourceMapping": (
        "lambda:CreateEventSourceMapping lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping "
        f"lambda:UpdateEventSourceMapping {_LAMBDA_TAGS}"
    ),
    "Lambda::Function": (
        "iam:PassRole lambda:CreateFunction lambda:DeleteFunction lambda:GetFunction "
        "lambda:GetFunctionCodeSigningConfig lambda:GetFunctionRecursionConfig lambda:GetRuntimeManagementConfig "
        f"lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration s3:GetObject {_LAMBDA_TAGS}"
    ),
    "Lambda::Permission": "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission",
    "Lambda::Version": (
        "lambda:DeleteFunction lambda:GetFunctionConfiguration lambda:GetProvisionedConcurrencyConfig "
        "lambda:GetRuntimeManagementConfig lambda:ListVersionsByFunction lambda:PublishVersion"
    ),
    "Logs::LogGroup": (
        "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteRetentionPolicy logs:DescribeLogGroups "
        "logs:GetDataProtectionPolicy logs:ListTagsForResource logs:PutRetentionPolicy logs:TagResource "
        "logs:UntagResource"
    ),
    "SNS::Subscription": ("sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Subscribe sns:Unsubscribe"),
    "SNS::Topic": (
        "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
        "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe sns:TagResource "
        "sns:Unsubscribe sns:UntagResource"
    ),
    "SNS::TopicPolicy": "sns:SetTopicAttributes",
    "SQS::Queue": (
        "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
        "sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue"
    ),
    "SQS::QueuePolicy": "sqs:SetQueueAttributes",
    "SecretsManager::Secret": (
        "secretsmanager:CreateSecret secretsmanager:DeleteSecret secretsmanager:DescribeSecret "
        "secretsmanager:GetRandomPassword secretsmanager:TagResource secretsmanager:UntagResource "
        "secretsmanager:UpdateSecret"
    ),
}

NEEDED: Mapping[str, frozenset[str]] = {f"AWS::{kind}": frozenset(told.split()) for kind, told in _OF_TYPE.items()}
"""Actions by type of resource."""

WITHHELD: Mapping[str, str] = {
    "iam:AttachRolePolicy": "a role here has a policy of its own and no other",
    "iam:DeleteRolePermissionsBoundary": "it is what the boundary is for",
    "kms:Decrypt": "for queues under customer keys; what can't be used can't leak",
    "kms:DisableKey": "no template does",
    "secretsmanager:GetSecretValue": "handlers name it for reading a resource back; a deployment needs no secret",
}
"""What handlers declare and a deployment is not given, and why."""
