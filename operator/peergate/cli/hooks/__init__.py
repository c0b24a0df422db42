"""What the chart's hooks run, in the operator's own image: the install gate and the way out."""
