# Live queue, change feed and bulk run, each with its own dead-letter queue. The change feed has a queue of its own so that
# cached case records stay fresh while the live queue is busy. SENTENCE_CHANGED is on it too: it outdates a record as well
# as asking for the handover dates, and the service does both wherever the message arrives.
locals {
  queues = {
    events      = "allocations, handover dates and identifiers"
    change-feed = "events after which a cached case record is out of date"
    bulk        = "messages of our own bulk handover update"
  }

  # Two topics, because there are two publishers: Manage POM Cases and the domain services publish to the domain events
  # topic, Delius to the probation offender events topic. With only one of them the service looks healthy and serves
  # records that are out of date.
  subscriptions = {
    events-domain = {
      queue  = "events"
      topic  = var.domain_events_topic_arn
      policy = "${path.module}/../sns/events.domain-events.json"
    }
    change-feed-domain = {
      queue  = "change-feed"
      topic  = var.domain_events_topic_arn
      policy = "${path.module}/../sns/change-feed.domain-events.json"
    }
    change-feed-offender = {
      queue  = "change-feed"
      topic  = var.probation_offender_events_topic_arn
      policy = "${path.module}/../sns/change-feed.probation-offender-events.json"
    }
  }

  # Queues that a topic may send to. The service sends to the bulk queue with its own role.
  subscribed = toset([for subscription in local.subscriptions : subscription.queue])
}

module "dead_letter_queue" {
  source   = "github.com/ministryofjustice/cloud-platform-terraform-sqs?ref=5.1.2"
  for_each = local.queues

  sqs_name                  = "${var.application}-${each.key}-dlq"
  message_retention_seconds = 1209600 # 14 days, the most that SQS keeps

  business_unit          = var.business_unit
  application            = var.application
  is_production          = var.is_production
  team_name              = var.team_name
  namespace              = var.namespace
  environment_name       = var.environment_name
  infrastructure_support = var.infrastructure_support
}

module "queue" {
  source   = "github.com/ministryofjustice/cloud-platform-terraform-sqs?ref=5.1.2"
  for_each = local.queues

  sqs_name                   = "${var.application}-${each.key}"
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 30 # the service renews it; a killed process delays its messages by no more than this

  # The service commits what it cannot handle now to its own store and deletes it here, so a receive is used up only
  # when a process died with the message in flight.
  redrive_policy = jsonencode({
    deadLetterTargetArn = module.dead_letter_queue[each.key].sqs_arn
    maxReceiveCount     = 3
  })

  business_unit          = var.business_unit
  application            = var.application
  is_production          = var.is_production
  team_name              = var.team_name
  namespace              = var.namespace
  environment_name       = var.environment_name
  infrastructure_support = var.infrastructure_support
}

# Only the topics that a queue is subscribed to may send to it, and nobody may without TLS.
data "aws_iam_policy_document" "queue" {
  for_each = local.queues

  dynamic "statement" {
    for_each = contains(local.subscribed, each.key) ? [each.key] : []
    content {
      sid     = "TopicsToQueue"
      effect  = "Allow"
      actions = ["sqs:SendMessage"]
      principals {
        type        = "Service"
        identifiers = ["sns.amazonaws.com"]
      }
      resources = [module.queue[each.key].sqs_arn]
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = distinct([for subscription in local.subscriptions : subscription.topic if subscription.queue == each.key])
      }
    }
  }

  statement {
    sid     = "NothingWithoutTls"
    effect  = "Deny"
    actions = ["sqs:*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    resources = [module.queue[each.key].sqs_arn]
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "queue" {
  for_each  = local.queues
  queue_url = module.queue[each.key].sqs_id
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

resource "aws_sns_topic_subscription" "queue" {
  for_each = local.subscriptions

  topic_arn = each.value.topic
  protocol  = "sqs"
  endpoint  = module.queue[each.value.queue].sqs_arn
  # The envelope stays: it carries the SNS message id, by which the same event is recognised however it arrives.
  raw_message_delivery = false
  filter_policy        = jsonencode(jsondecode(file(each.value.policy)))
}

resource "kubernetes_secret" "queue" {
  for_each = local.queues
  metadata {
    name      = "${var.application}-${each.key}-queue"
    namespace = var.namespace
  }
  data = {
    QUEUE_NAME = module.queue[each.key].sqs_name
    QUEUE_URL  = module.queue[each.key].sqs_id
    DLQ_NAME   = module.dead_letter_queue[each.key].sqs_name
    DLQ_URL    = module.dead_letter_queue[each.key].sqs_id
  }
}
