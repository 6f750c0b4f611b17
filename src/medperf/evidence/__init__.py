"""What can be shown to those who were not there: leaderboard pages, reports, evidence packs."""
