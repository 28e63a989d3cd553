# Mode group: machines of several types and zones, which AWS provides, replaces when it takes them back, and ends at the latest.

resource "aws_launch_template" "machine" {
  count                                = local.in_group ? 1 : 0
  name_prefix                          = "${local.name}-"
  description                          = "judgeforge: flow run ${var.run}"
  update_default_version               = true
  image_id                             = data.aws_ami.image.id
  instance_type                        = var.machine_types[0]
  ebs_optimized                        = true
  instance_initiated_shutdown_behavior = "terminate"
  vpc_security_group_ids               = concat([aws_security_group.machine.id], var.extra_security_group_ids)
  user_data                            = base64encode(module.machine.user_data)
  tags                                 = local.tags

  iam_instance_profile {
    arn = aws_iam_instance_profile.machine.arn
  }
  monitoring {
    enabled = true
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  block_device_mappings {
    device_name = data.aws_ami.image.root_device_name
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      kms_key_id            = var.disk_kms_key_id
      delete_on_termination = true
    }
  }
  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]
    content {
      resource_type = tag_specifications.value
      tags          = local.tags
    }
  }
}

resource "aws_autoscaling_group" "machine" {
  count                     = local.in_group ? 1 : 0
  name_prefix               = "${local.name}-"
  vpc_zone_identifier       = var.subnet_ids
  min_size                  = 0
  max_size                  = var.machines
  desired_capacity          = var.machines
  health_check_type         = "EC2"
  placement_group           = var.placement_group
  wait_for_capacity_timeout = "${var.capacity_minutes}m"
  suspended_processes       = ["AZRebalance"] # it would end a machine in mid-training for the sake of even zones

  mixed_instances_policy {
    instances_distribution {
      on_demand_allocation_strategy            = "prioritized"
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.spot ? 0 : 100
      spot_allocation_strategy                 = "capacity-optimized-prioritized"
    }
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.machine[0].id
        version            = aws_launch_template.machine[0].latest_version
      }
      dynamic "override" {
        for_each = var.machine_types
        content {
          instance_type = override.value
        }
      }
    }
  }
  dynamic "tag" {
    for_each = local.tags
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }
}

# The last resort, which needs no program of ours: at this time AWS ends what is left.
resource "aws_autoscaling_schedule" "end" {
  count                  = local.in_group ? 1 : 0
  scheduled_action_name  = "end"
  autoscaling_group_name = aws_autoscaling_group.machine[0].name
  start_time             = var.expires
  min_size               = 0
  max_size               = 0
  desired_capacity       = 0
}

# Asked only after waiting for them: an older provider takes it for an error that there is none yet.
data "aws_instances" "group" {
  count = local.in_group && var.machines > 0 && var.capacity_minutes > 0 ? 1 : 0
  instance_tags = {
    "aws:autoscaling:groupName" = aws_autoscaling_group.machine[0].name
  }
  instance_state_names = ["pending", "running"]
}
