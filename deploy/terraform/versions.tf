# Example of what the service needs from the platform, in the form of a Cloud Platform namespace: copy it into
# namespaces/live.cloud-platform.service.justice.gov.uk/NAMESPACE/resources and adjust the variables.
terraform {
  required_version = ">= 1.2.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.23"
    }
  }
}
