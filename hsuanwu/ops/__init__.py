"""Maths: functions of tensors that know no module, no configuration and no environment."""
