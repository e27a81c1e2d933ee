"""Sync by itself: units for systemd or a block in the crontab; texts are pure, installing them is thin."""
