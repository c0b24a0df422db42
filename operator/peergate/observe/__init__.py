"""What the operator tells about itself: metrics and log lines. Never objects, patches or signatures."""
