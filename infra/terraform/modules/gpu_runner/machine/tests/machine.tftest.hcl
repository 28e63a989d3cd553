# Values that are refused, and scripts that come out whole. No provider is needed.

variables {
  pool               = "gpu"
  prefect_api_url    = "https://prefect.example.org/api"
  repository_url     = "https://git.example.org/judgeforge.git"
  commit             = "0123456789abcdef0123456789abcdef01234567"
  extras             = ["pipeline", "train"]
  remote_url         = "s3://artifacts/remote"
  idle_minutes       = 10
  max_life_minutes   = 240
  provider_functions = "machine_id() { echo one; }"
}

run "user_data" {
  assert {
    condition     = startswith(output.user_data, "#cloud-config\n") && length(yamldecode(output.user_data).write_files) == 5
    error_message = "cloud-init does not get its five files."
  }
  assert {
    condition     = toset([for file in yamldecode(output.user_data).write_files : file.permissions if endswith(file.path, ".service")]) == toset(["0644"])
    error_message = "The units are not plain files."
  }
}

run "no_secret_is_rendered" {
  variables {
    secrets = { PREFECT_API_KEY = "/judgeforge/prefect" }
  }
  assert {
    condition     = strcontains(output.worker_script, "PREFECT_API_KEY=/judgeforge/prefect")
    error_message = "The worker does not fetch the secret."
  }
}

run "too_much_for_user_data" {
  command = plan
  variables {
    environment = { for place in range(700) : "NAME_${place}" => sha256(tostring(place)) }
  }
  expect_failures = [output.user_data]
}

run "pool" {
  command = plan
  variables {
    pool = "a b"
  }
  expect_failures = [var.pool]
}

run "prefect_api_url" {
  command = plan
  variables {
    prefect_api_url = "https://user:pass@prefect.example.org/api"
  }
  expect_failures = [var.prefect_api_url]
}

run "prefect_api_url_2" {
  command = plan
  variables {
    prefect_api_url = "prefect.example.org"
  }
  expect_failures = [var.prefect_api_url]
}

run "repository_url" {
  command = plan
  variables {
    repository_url = "https://me:token@git.example.org/x.git"
  }
  expect_failures = [var.repository_url]
}

run "repository_url_2" {
  command = plan
  variables {
    repository_url = "--upload-pack=x"
  }
  expect_failures = [var.repository_url]
}

run "commit" {
  command = plan
  variables {
    commit = "main"
  }
  expect_failures = [var.commit]
}

run "commit_2" {
  command = plan
  variables {
    commit = "0123abc"
  }
  expect_failures = [var.commit]
}

run "extras" {
  command = plan
  variables {
    extras = []
  }
  expect_failures = [var.extras]
}

run "extras_2" {
  command = plan
  variables {
    extras = ["a;b"]
  }
  expect_failures = [var.extras]
}

run "setup_targets" {
  command = plan
  variables {
    setup_targets = ["setup-vllm", "setup"]
  }
  expect_failures = [var.setup_targets]
}

run "setup_targets_2" {
  command = plan
  variables {
    setup_targets = ["setup", "clean"]
  }
  expect_failures = [var.setup_targets]
}

run "vllm_is_set_up" {
  variables {
    setup_targets = ["setup", "setup-vllm"]
  }
  assert {
    condition     = strcontains(output.worker_script, "setup_targets='setup setup-vllm'")
    error_message = "The worker does not make what is asked for."
  }
}

run "environment" {
  command = plan
  variables {
    environment = { "A-B" = "1" }
  }
  expect_failures = [var.environment]
}

run "environment_2" {
  command = plan
  variables {
    environment = { MLFLOW_TRACKING_PASSWORD = "1" }
  }
  expect_failures = [var.environment]
}

run "secrets" {
  command = plan
  variables {
    secrets = { KEY = "a b" }
  }
  expect_failures = [var.secrets]
}

run "secrets_2" {
  command = plan
  variables {
    secrets = { "KEY;x" = "a" }
  }
  expect_failures = [var.secrets]
}

run "idle_minutes" {
  command = plan
  variables {
    idle_minutes = 0
  }
  expect_failures = [var.idle_minutes]
}

run "max_life_minutes" {
  command = plan
  variables {
    max_life_minutes = 4
  }
  expect_failures = [var.max_life_minutes]
}

run "checkpoint_grace_s" {
  command = plan
  variables {
    checkpoint_grace_s = 111
  }
  expect_failures = [var.checkpoint_grace_s]
}
