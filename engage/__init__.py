"""engage: journeys as files, facts in, decisions, deliveries out, receipts back."""
