# The event store. Back-ups are the module's (daily, kept for its retention, with point-in-time recovery): the events are
# the record of what was written to Delius and why, and exist nowhere else.
module "rds" {
  source = "github.com/ministryofjustice/cloud-platform-terraform-rds-instance?ref=9.1.0"

  vpc_name = var.vpc_name

  db_engine         = "postgres"
  db_engine_version = "17" # 15 or newer
  rds_family        = "postgres17"
  # 2 GiB of memory, about 225 connections. Eight pods with the default pools take 8 x 10, and as many again while a
  # rolling deployment runs.
  db_instance_class            = var.is_production == "true" ? "db.t4g.medium" : "db.t4g.small"
  db_max_allocated_storage     = "500"
  performance_insights_enabled = var.is_production == "true"
  prepare_for_major_upgrade    = false
  allow_minor_version_upgrade  = true
  allow_major_version_upgrade  = false
  enable_rds_auto_start_stop   = false

  db_parameter = [
    { name = "rds.force_ssl", value = "1", apply_method = "immediate" },
    # An idle transaction holds back the journal, which orders only what every running transaction can no longer precede.
    { name = "idle_in_transaction_session_timeout", value = "60000", apply_method = "immediate" },
  ]

  application            = var.application
  business_unit          = var.business_unit
  environment_name       = var.environment_name
  infrastructure_support = var.infrastructure_support
  is_production          = var.is_production
  namespace              = var.namespace
  team_name              = var.team_name
}

# The owner's secret: for the migration job alone. The service connects as a role that deploy/database/store-roles.sql
# makes, whose secret (rds-service) is set by hand or by the team's secret store.
resource "kubernetes_secret" "rds_owner" {
  metadata {
    name      = "rds-postgresql-instance-output"
    namespace = var.namespace
  }
  data = {
    rds_instance_address  = module.rds.rds_instance_address
    rds_instance_endpoint = module.rds.rds_instance_endpoint
    database_name         = module.rds.database_name
    database_username     = module.rds.database_username
    database_password     = module.rds.database_password
  }
}
