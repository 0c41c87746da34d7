"""The processes: aggregator service, participant and trustee loops. Network, disk and clock live here."""
