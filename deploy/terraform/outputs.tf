output "queue_urls" {
  description = "For QUEUE_URL, CHANGE_FEED_QUEUE_URL and BULK_QUEUE_URL"
  value       = { for name, queue in module.queue : name => queue.sqs_id }
}

output "service_account_name" {
  value = module.irsa.service_account.name
}
