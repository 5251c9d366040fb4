variable "namespace" {
  description = "Kubernetes namespace; every resource carries its name"
  type        = string
}

variable "environment_name" {
  description = "dev, preprod or prod"
  type        = string
  validation {
    condition     = contains(["dev", "preprod", "prod"], var.environment_name)
    error_message = "environment_name is one of dev, preprod, prod."
  }
}

variable "is_production" {
  description = "Whether the data is real, as a text, which is what the Cloud Platform modules expect"
  type        = string
  default     = "false"
}

variable "application" {
  type    = string
  default = "manage-pom-cases-and-delius"
}

variable "business_unit" {
  type    = string
  default = "HMPPS"
}

variable "team_name" {
  description = "GitHub team that owns the resources"
  type        = string
  default     = "probation-integration"
}

variable "infrastructure_support" {
  description = "Mail address of the owning team"
  type        = string
}

variable "vpc_name" {
  type = string
}

variable "eks_cluster_name" {
  type = string
}

variable "domain_events_topic_arn" {
  description = "ARN of the HMPPS domain events topic (events of Manage POM Cases, identifiers, registrations, tiers)"
  type        = string
}

variable "probation_offender_events_topic_arn" {
  description = "ARN of the probation offender events topic (SENTENCE_CHANGED, CONVICTION_CHANGED and OFFENDER_*)"
  type        = string
}

variable "outcome_topic_arn" {
  description = "ARN of the topic that receives a notice of each applied write; empty when nobody listens"
  type        = string
  default     = ""
}
