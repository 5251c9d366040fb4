# The role of the pods: what the service does with the queues and the topic, and nothing else.
data "aws_iam_policy_document" "service" {
  statement {
    sid    = "WorkThroughTheQueues"
    effect = "Allow"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
      "sqs:ChangeMessageVisibility",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      # Redrive puts dead letters back, and a bulk run sends its messages.
      "sqs:SendMessage",
      # The purge route, which keeps what it removes.
      "sqs:PurgeQueue",
    ]
    resources = concat(
      [for queue in module.queue : queue.sqs_arn],
      [for queue in module.dead_letter_queue : queue.sqs_arn],
    )
  }

  dynamic "statement" {
    for_each = var.outcome_topic_arn == "" ? [] : [var.outcome_topic_arn]
    content {
      sid       = "AnnounceOutcomes"
      effect    = "Allow"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "service" {
  name   = "${var.namespace}-${var.application}"
  policy = data.aws_iam_policy_document.service.json
}

module "irsa" {
  source = "github.com/ministryofjustice/cloud-platform-terraform-irsa?ref=2.1.0"

  eks_cluster_name     = var.eks_cluster_name
  service_account_name = var.application
  role_policy_arns     = { service = aws_iam_policy.service.arn }

  business_unit          = var.business_unit
  application            = var.application
  is_production          = var.is_production
  team_name              = var.team_name
  namespace              = var.namespace
  environment_name       = var.environment_name
  infrastructure_support = var.infrastructure_support
}
