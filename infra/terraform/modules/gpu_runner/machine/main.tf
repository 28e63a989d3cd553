# What runs on the machine, whoever rents it out: scripts, units, and the document that cloud-init takes.

locals {
  home   = "/var/lib/judgeforge"
  logs   = "/var/log/judgeforge"
  ending = "/run/judgeforge/ending"

  # A value becomes one word of the shell, whatever stands in it.
  exported = { for name, value in merge(var.environment, { PREFECT_API_URL = var.prefect_api_url }) : name => "'${replace(value, "'", "'\\''")}'" }
  values = { for name, value in {
    pool               = var.pool
    repository_url     = var.repository_url
    commit             = var.commit
    extras             = join(",", var.extras)
    setup_targets      = join(" ", var.setup_targets)
    remote_url         = var.remote_url
    secrets            = join(" ", [for name, place in var.secrets : "${name}=${place}"])
    idle_minutes       = tostring(var.idle_minutes)
    max_life_minutes   = tostring(var.max_life_minutes)
    checkpoint_grace_s = tostring(var.checkpoint_grace_s)
    packages           = join(" ", concat(["git", "make", "curl", "g++", "python3-venv", "python3-dev"], var.packages))
    default_home       = local.home
    logs               = local.logs
  } : name => "'${replace(value, "'", "'\\''")}'" }

  needs = {
    worker   = ["default_home", "pool", "repository_url", "commit", "extras", "setup_targets", "remote_url", "secrets"]
    watchdog = ["default_home", "idle_minutes", "max_life_minutes", "checkpoint_grace_s"]
    root     = ["default_home", "logs", "max_life_minutes", "packages"]
  }
  scripts = { for script, names in local.needs : script => join("\n", [
    trimspace(templatefile("${path.module}/values.sh.tftpl", {
      values    = { for name in names : name => local.values[name] }
      exported  = script == "worker" ? local.exported : {}
      functions = script == "root" ? "" : var.provider_functions
    })),
    "",
    file("${path.module}/${script}.sh"),
  ]) }
  units = { for unit in ["worker", "watchdog"] : unit => templatefile("${path.module}/${unit}.service.tftpl", {
    home   = local.home
    logs   = local.logs
    ending = local.ending
    stop_s = var.checkpoint_grace_s + 10
  }) }

  files = merge(
    { for script, text in local.scripts : "/etc/judgeforge/${script}.sh" => text },
    { for unit, text in local.units : "/etc/systemd/system/judgeforge-${unit}.service" => text },
  )
  cloud_config = {
    write_files = [for path, text in local.files : {
      path        = path
      owner       = "root:root"
      permissions = endswith(path, ".sh") ? "0755" : "0644"
      encoding    = "gz+b64"
      content     = base64gzip(text)
    }]
    runcmd = [["/bin/bash", "/etc/judgeforge/root.sh"]]
  }
  user_data = "#cloud-config\n${jsonencode(local.cloud_config)}\n" # JSON is YAML
}
