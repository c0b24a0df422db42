"""Values: what a review, a change, a policy, an approver and a decision are. No I/O, no clock."""
