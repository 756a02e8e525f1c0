"""What the operator's side shows. Staff look at accounts of every zone, so its times are in UTC."""

ZONE = "UTC"
