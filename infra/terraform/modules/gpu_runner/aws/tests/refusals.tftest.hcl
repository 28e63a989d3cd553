# Values that are refused, each by its own variable, before anything is asked of AWS.

mock_provider "aws" {}

variables {
  owner            = "test"
  run              = "0b7c1d52-3f7e"
  expires          = "2099-01-31T23:00:00Z"
  region           = "eu-central-1"
  vpc_id           = "vpc-0123456789abcdef0"
  subnet_ids       = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  image_id         = "ami-0123456789abcdef0"
  machine_types    = ["g6.xlarge", "g5.xlarge"]
  machines         = 2
  disk_gib         = 100
  max_life_minutes = 240
  idle_minutes     = 10
  remote_url       = "s3://artifacts/team/remote"
  repository_url   = "https://git.example.org/judgeforge.git"
  commit           = "0123456789abcdef0123456789abcdef01234567"
  extras           = ["pipeline", "train"]
  pool             = "gpu"
  prefect_api_url  = "https://prefect.example.org/api"
}

run "owner" {
  command = plan
  variables {
    owner = "two words"
  }
  expect_failures = [var.owner]
}

run "run" {
  command = plan
  variables {
    run = "a/b"
  }
  expect_failures = [var.run]
}

run "expires" {
  command = plan
  variables {
    expires = "tomorrow"
  }
  expect_failures = [var.expires]
}

run "expires_2" {
  command = plan
  variables {
    expires = "2026-13-41T00:00:00Z"
  }
  expect_failures = [var.expires]
}

run "region" {
  command = plan
  variables {
    region = "Frankfurt"
  }
  expect_failures = [var.region]
}

run "vpc_id" {
  command = plan
  variables {
    vpc_id = "vpc"
  }
  expect_failures = [var.vpc_id]
}

run "subnet_ids" {
  command = plan
  variables {
    subnet_ids = []
  }
  expect_failures = [var.subnet_ids]
}

run "image_id" {
  command = plan
  variables {
    image_id = "ubuntu"
  }
  expect_failures = [var.image_id]
}

run "mode" {
  command = plan
  variables {
    mode = "fleet"
  }
  expect_failures = [var.mode]
}

run "machine_types" {
  command = plan
  variables {
    machine_types = []
  }
  expect_failures = [var.machine_types]
}

run "machine_types_2" {
  command = plan
  variables {
    machine_types = ["large"]
  }
  expect_failures = [var.machine_types]
}

run "machines" {
  command = plan
  variables {
    machines = 1.5
  }
  expect_failures = [var.machines]
}

run "machines_2" {
  command = plan
  variables {
    machines = 65
  }
  expect_failures = [var.machines]
}

run "disk_gib" {
  command = plan
  variables {
    disk_gib = 4
  }
  expect_failures = [var.disk_gib]
}

run "capacity_minutes" {
  command = plan
  variables {
    capacity_minutes = 61
  }
  expect_failures = [var.capacity_minutes]
}

run "egress_ports" {
  command = plan
  variables {
    egress_ports = [0]
  }
  expect_failures = [var.egress_ports]
}

run "egress_cidrs" {
  command = plan
  variables {
    egress_cidrs = ["anywhere"]
  }
  expect_failures = [var.egress_cidrs]
}

run "remote_url" {
  command = plan
  variables {
    remote_url = "s3://bucket"
  }
  expect_failures = [var.remote_url]
}

run "remote_url_2" {
  command = plan
  variables {
    remote_url = "s3://bucket/prefix/"
  }
  expect_failures = [var.remote_url]
}

run "remote_url_3" {
  command = plan
  variables {
    remote_url = "s3://bucket/*"
  }
  expect_failures = [var.remote_url]
}

run "kms_key_arns" {
  command = plan
  variables {
    kms_key_arns = ["*"]
  }
  expect_failures = [var.kms_key_arns]
}

run "single_machine_of_spot" {
  command = plan
  variables {
    mode     = "instance"
    machines = 1
    spot     = true
  }
  expect_failures = [var.spot]
}

run "two_single_machines" {
  command = plan
  variables {
    mode     = "instance"
    machines = 2
    spot     = false
  }
  expect_failures = [var.machines]
}

run "permissions_boundary" {
  command = plan
  variables {
    permissions_boundary = "machines"
  }
  expect_failures = [var.permissions_boundary]
}
